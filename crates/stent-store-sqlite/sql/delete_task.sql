-- Deletes a task. Primary key.
DELETE FROM tasks
WHERE seq = ?1
