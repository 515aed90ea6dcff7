-- Keeps everything of a task that may change but its outcome, which a replay takes away.
UPDATE tasks
SET lane = ?2, holds_slot = ?3, state = ?4, due_at = ?5, lease_expires_at = ?6, holder = ?7, ended_at = ?8,
    token = ?9, mark = ?10, commits = ?11, failed_attempts = ?12, crashes = ?13, crashes_as_suspect = ?14,
    cancel_requested = ?15, operations = ?16, deliveries = ?17, deadline = ?18, queued_at = ?19, attempt_ends_at = ?20, outcome = NULL
WHERE seq = ?1
