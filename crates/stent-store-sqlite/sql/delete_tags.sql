-- Deletes the tags of an execution. Primary key.
DELETE FROM tags
WHERE root = ?1
