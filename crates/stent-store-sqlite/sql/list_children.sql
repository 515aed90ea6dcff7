-- A page of children by id. Index `tasks_child`; it reads on until the page is full.
-- ?2 has the bits of the states that are wanted; ?3 may be NULL.
SELECT tasks.seq, tasks.id, tasks.execution, tasks.parent, tasks.position, tasks.lane, tasks.state, tasks.due_at,
       tasks.lease_expires_at, tasks.holder, tasks.ended_at, tasks.token, tasks.mark, tasks.commits,
       tasks.failed_attempts, tasks.crashes, tasks.crashes_as_suspect, tasks.cancel_requested, tasks.operations,
       tasks.deliveries, tasks.timeout, tasks.deadline, tasks.queued_at, tasks.created_at, tasks.attempt_ends_at
FROM tasks INDEXED BY tasks_child
JOIN lanes ON lanes.id = tasks.lane
WHERE tasks.parent IS NOT NULL AND tasks.id > ?1
  AND (?2 >> tasks.state) & 1 = 1
  AND (?3 IS NULL OR lanes.function = ?3)
ORDER BY tasks.id
LIMIT ?4
