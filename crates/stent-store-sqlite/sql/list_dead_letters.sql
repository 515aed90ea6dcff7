-- A page of executions that failed, newest first. Index `tasks_dead_letter`, which holds only those.
-- ?2 has the bits of the states that are wanted; all parameters but ?1, ?2 and ?5 may be NULL.
SELECT tasks.seq, tasks.id, tasks.execution, tasks.parent, tasks.position, tasks.lane, tasks.state, tasks.due_at,
       tasks.lease_expires_at, tasks.holder, tasks.ended_at, tasks.token, tasks.mark, tasks.commits,
       tasks.failed_attempts, tasks.crashes, tasks.crashes_as_suspect, tasks.cancel_requested, tasks.operations,
       tasks.deliveries, tasks.timeout, tasks.deadline, tasks.queued_at, tasks.created_at, tasks.attempt_ends_at
FROM tasks INDEXED BY tasks_dead_letter
JOIN lanes ON lanes.id = tasks.lane
WHERE tasks.state = 5 AND tasks.parent IS NULL AND tasks.id < ?1
  AND (?2 >> tasks.state) & 1 = 1
  AND (?3 IS NULL OR lanes.function = ?3)
  AND (?4 IS NULL OR lanes.queue = ?4)
  AND (?6 IS NULL OR EXISTS (SELECT 1 FROM tags WHERE tags.root = tasks.seq AND tags.tag = ?6))
  AND (
      ?7 IS NULL
      OR EXISTS (SELECT 1 FROM idempotency_keys WHERE idempotency_keys.root = tasks.seq AND idempotency_keys.idempotency_key = ?7)
  )
ORDER BY tasks.id DESC
LIMIT ?5
