-- Executions by id, newest first. Primary key.
-- $1 before, $2 states, $3 function, $4 queue, $5 limit, $6 tag, $7 idempotency key, $8 payloads, $9 ids.
-- What is named is looked up first: with sorts forbidden, a plan would else read the index in order and search it for the names.
-- proven by tests::what_a_request_names_is_looked_up_and_not_searched_for
SELECT tasks.id, tasks.execution, tasks.parent, tasks.position, tasks.lane, tasks.state, tasks.due_at, tasks.lease_expires_at, tasks.holder, tasks.ended_at, tasks.token, tasks.mark, tasks.commits,
       tasks.failed_attempts, tasks.crashes, tasks.crashes_as_suspect, tasks.cancel_requested, tasks.operations, tasks.deliveries, tasks.timeout_us, tasks.deadline_at,
       tasks.queued_at, tasks.created_at, tasks.seq, tasks.attempt_ends_at,
       CASE WHEN $8 THEN tasks.input END, CASE WHEN $8 THEN tasks.outcome END,
       (SELECT keys.idempotency_key FROM stent.idempotency_keys AS keys WHERE keys.execution = tasks.id),
       ARRAY(SELECT tags.tag FROM stent.tags WHERE tags.execution = tasks.id ORDER BY tags.tag)
FROM unnest($9::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM stent.task_rows AS one WHERE one.id = wanted.id OFFSET 0) AS tasks
CROSS JOIN LATERAL (SELECT * FROM stent.lanes AS one WHERE one.id = tasks.lane / 4 OFFSET 0) AS lanes
WHERE tasks.parent IS NULL AND tasks.id <= coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND ($1 IS NULL OR tasks.id <> $1)
  AND tasks.state = ANY ($2::smallint[])
  AND ($3::text IS NULL OR lanes.function = $3)
  AND ($4::text IS NULL OR lanes.queue = $4)
  AND ($6::text IS NULL OR EXISTS (SELECT 1 FROM stent.tags WHERE tags.execution = tasks.id AND tags.tag = $6))
  AND (
      $7::text IS NULL
      OR EXISTS (SELECT 1 FROM stent.idempotency_keys AS keys WHERE keys.execution = tasks.id AND keys.idempotency_key = $7)
  )
ORDER BY tasks.id DESC
LIMIT $5
