-- Marks an operation that its body no longer waits for. Primary key.
UPDATE history
SET abandoned = 1
WHERE task = ?1 AND position = ?2
