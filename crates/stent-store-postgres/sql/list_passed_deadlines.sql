-- Tasks that nobody runs and whose deadline passed, after a place, the first first, with their executions' roots and their places. Index
-- `tasks_deadline`.
SELECT id, coalesce(execution, id), parent, position, deadline_at, seq
FROM stent.task_rows AS tasks
WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL AND deadline_at <= $1
  AND (deadline_at, seq) > ($3::bigint, $4::bigint)
ORDER BY deadline_at, seq
LIMIT $2
