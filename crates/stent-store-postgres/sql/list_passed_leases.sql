-- Leases that ran out, after a place, the first first, with their executions' roots and their places. Index `tasks_leased`.
SELECT id, coalesce(execution, id), parent, position, lease_expires_at, seq
FROM stent.task_rows AS tasks
WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= $1 AND (lease_expires_at, seq) > ($3::bigint, $4::bigint)
ORDER BY lease_expires_at, seq
LIMIT $2
