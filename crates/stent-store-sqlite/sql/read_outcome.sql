-- How a task ended. Primary key.
SELECT outcome
FROM tasks
WHERE seq = ?1
