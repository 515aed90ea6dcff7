-- The children of executions, locked. Index `tasks_execution`.
SELECT id, execution, lease_expires_at IS NOT NULL
FROM stent.task_rows AS tasks
WHERE execution = ANY ($1::uuid[]) AND execution IS NOT NULL
ORDER BY id
FOR UPDATE
