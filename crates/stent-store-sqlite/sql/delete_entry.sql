-- Takes an entry out of a history. Primary key.
DELETE FROM history
WHERE task = ?1 AND position = ?2
