-- Takes a key, unless it is taken.
INSERT INTO idempotency_keys (root, function, idempotency_key)
VALUES (?1, ?2, ?3)
ON CONFLICT DO NOTHING
