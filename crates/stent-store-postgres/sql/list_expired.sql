-- The oldest executions that ended before an instant and of which no task is leased, locked; what others hold is left for later.
-- proven by races::a_cleanup_passes_over_what_others_hold
-- Indexes `tasks_ended`, `tasks_execution`.
SELECT root.id, root.operations
FROM stent.task_rows AS root
WHERE root.ended_at IS NOT NULL AND root.parent IS NULL AND root.ended_at < $1
  AND NOT EXISTS (
      SELECT 1
      FROM stent.task_rows AS child
      WHERE child.execution = root.id AND child.lease_expires_at IS NOT NULL
  )
ORDER BY root.ended_at, root.seq
LIMIT $2
FOR UPDATE OF root SKIP LOCKED
