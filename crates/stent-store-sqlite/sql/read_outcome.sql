-- How a task ended. Primary key.
SELECT state, outcome
FROM tasks
WHERE seq = ?1
