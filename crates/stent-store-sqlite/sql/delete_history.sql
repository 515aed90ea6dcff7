-- Deletes a task's history. Primary key.
DELETE FROM history
WHERE task = ?1
