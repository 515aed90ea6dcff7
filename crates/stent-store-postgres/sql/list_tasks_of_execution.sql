-- A page of an execution's tasks, in the order of their ids. Primary key for the root, index `tasks_execution` for the others.
-- $1 after, $2 states, $3 function, $4 limit, $5 payloads, $6 execution.
SELECT tasks.id, tasks.execution, tasks.parent, tasks.position, tasks.lane, tasks.state, tasks.due_at, tasks.lease_expires_at, tasks.holder, tasks.ended_at, tasks.token, tasks.mark, tasks.commits,
       tasks.failed_attempts, tasks.crashes, tasks.crashes_as_suspect, tasks.cancel_requested, tasks.operations, tasks.deliveries, tasks.timeout_us, tasks.deadline_at,
       tasks.queued_at, tasks.created_at, tasks.seq, tasks.attempt_ends_at,
       CASE WHEN $5 THEN tasks.input END, CASE WHEN $5 THEN tasks.outcome END
FROM stent.task_rows AS tasks
CROSS JOIN LATERAL (SELECT * FROM stent.lanes AS one WHERE one.id = tasks.lane / 4 OFFSET 0) AS lanes
WHERE tasks.execution = $6::uuid AND tasks.id >= coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND ($1 IS NULL OR tasks.id <> $1)
  AND tasks.state = ANY ($2::smallint[])
  AND ($3::text IS NULL OR lanes.function = $3)
ORDER BY tasks.id
LIMIT $4
