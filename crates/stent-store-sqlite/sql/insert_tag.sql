-- Keeps a tag; giving it twice is giving it once.
INSERT INTO tags (root, tag)
VALUES (?1, ?2)
ON CONFLICT DO NOTHING
