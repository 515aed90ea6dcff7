-- Keeps a signal; nothing, when it was kept before.
INSERT INTO signals (id, root, name, payload)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING
