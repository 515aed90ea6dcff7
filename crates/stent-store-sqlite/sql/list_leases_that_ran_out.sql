-- Tasks whose lease ran out, the first first, among equals the one made first. Index `tasks_leased`, which holds leased tasks only.
SELECT seq, id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at,
       token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
       timeout, deadline, queued_at, created_at, attempt_ends_at
FROM tasks INDEXED BY tasks_leased
WHERE lease_expires_at <= ?1 AND lease_expires_at IS NOT NULL
ORDER BY lease_expires_at, seq
LIMIT ?2
