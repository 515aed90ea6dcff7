-- Tasks that nobody runs and whose deadline passed, the first first, with their executions' roots. Index `tasks_deadline`.
SELECT id, coalesce(execution, id), parent, position
FROM stent.task_rows AS tasks
WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL AND deadline_at <= $1
ORDER BY deadline_at, seq
LIMIT $2
