-- Leases that ran out, the first first, with their executions' roots. Index `tasks_leased`.
SELECT id, coalesce(execution, id), parent, position
FROM stent.task_rows AS tasks
WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= $1
ORDER BY lease_expires_at, seq
LIMIT $2
