-- Keeps tasks as they are now; they are locked. Primary key.
UPDATE stent.task_rows AS tasks
SET lane = saved.lane, holds_slot = saved.lane & 1 = 1, state = saved.state, due_at = saved.due_at,
    lease_expires_at = saved.lease_expires_at, holder = saved.holder, ended_at = saved.ended_at, token = saved.token, mark = saved.mark,
    commits = saved.commits, failed_attempts = saved.failed_attempts, crashes = saved.crashes,
    crashes_as_suspect = saved.crashes_as_suspect, cancel_requested = saved.cancel_requested, operations = saved.operations,
    deliveries = saved.deliveries, deadline_at = saved.deadline_at, queued_at = saved.queued_at,
    attempt_ends_at = saved.attempt_ends_at, outcome = saved.outcome
FROM unnest(
    $1::uuid[], $2::integer[], $3::smallint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
    $10::integer[], $11::integer[], $12::integer[], $13::integer[], $14::boolean[], $15::integer[], $16::bigint[], $17::bigint[],
    $18::bigint[], $19::bigint[], $20::text[]
) AS saved (
    id, lane, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits, failed_attempts, crashes, crashes_as_suspect,
    cancel_requested, operations, deliveries, deadline_at, queued_at, attempt_ends_at, outcome
)
WHERE tasks.id = saved.id
