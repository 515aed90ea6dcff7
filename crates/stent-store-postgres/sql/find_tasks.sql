-- Tasks by id, as they are now. Primary key.
SELECT id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits,
       failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries, timeout_us, deadline_at,
       queued_at, created_at, seq, attempt_ends_at
FROM stent.task_rows AS tasks
WHERE id = ANY ($1::uuid[])
