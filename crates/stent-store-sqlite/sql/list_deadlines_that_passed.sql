-- Tasks that nobody runs and whose deadline passed, the first first, among equals the one made first. Index `tasks_deadline`.
SELECT seq, id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at,
       token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
       timeout, deadline, queued_at, created_at, attempt_ends_at
FROM tasks INDEXED BY tasks_deadline
WHERE deadline <= ?1 AND deadline IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL
ORDER BY deadline, seq
LIMIT ?2
