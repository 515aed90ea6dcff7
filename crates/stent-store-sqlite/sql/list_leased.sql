-- Leased tasks of a lane. A scan of `tasks_leased`, which holds as many rows as the fleet runs bodies; only limits that change need it.
SELECT seq, id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at,
       token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
       timeout, deadline, queued_at, created_at, attempt_ends_at
FROM tasks INDEXED BY tasks_leased
WHERE lease_expires_at IS NOT NULL AND lane = ?1
