-- The rows of an execution's children. Index `tasks_execution`.
SELECT seq, operations, lease_expires_at IS NOT NULL
FROM tasks INDEXED BY tasks_execution
WHERE execution = ?1 AND execution IS NOT NULL
