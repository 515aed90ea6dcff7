-- Executions that ended before an instant and of which no task is leased, the oldest first. Index `tasks_ended`, which holds ended roots only,
-- and a probe of `tasks_execution` for each.
SELECT root.seq, root.id
FROM tasks AS root INDEXED BY tasks_ended
WHERE root.ended_at < ?1 AND root.ended_at IS NOT NULL AND root.parent IS NULL
  AND NOT EXISTS (
      SELECT 1
      FROM tasks AS child INDEXED BY tasks_execution
      WHERE child.execution = root.id AND child.execution IS NOT NULL AND child.lease_expires_at IS NOT NULL
  )
ORDER BY root.ended_at, root.seq
LIMIT ?2
