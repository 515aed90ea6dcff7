-- Due tasks of a lane, the oldest first, with their inputs. Index `tasks_due`; its reader stops when it has enough.
SELECT seq, id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at,
       token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
       timeout, deadline, queued_at, created_at, attempt_ends_at, input
FROM tasks INDEXED BY tasks_due
WHERE lane = ?1 AND due_at <= ?2 AND due_at IS NOT NULL
ORDER BY due_at, seq
