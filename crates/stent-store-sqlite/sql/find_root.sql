-- A root by its id. Index `tasks_root`.
SELECT seq, id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at,
       token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
       timeout, deadline, queued_at, created_at, attempt_ends_at
FROM tasks INDEXED BY tasks_root
WHERE id = ?1 AND parent IS NULL
