-- Ends a task with its outcome.
UPDATE tasks
SET lane = ?2, holds_slot = 0, state = ?3, due_at = NULL, lease_expires_at = NULL, holder = NULL, ended_at = ?4,
    commits = ?5, failed_attempts = ?6, crashes = ?7, crashes_as_suspect = ?8,
    cancel_requested = 0, operations = ?9, deliveries = ?10, outcome = ?11
WHERE seq = ?1
