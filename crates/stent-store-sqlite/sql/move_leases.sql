-- Moves the end of every lease, within what a timestamp can be. All rows of tasks_leased.
UPDATE tasks
SET lease_expires_at = min(max(lease_expires_at + ?1, 0), ?2)
WHERE lease_expires_at IS NOT NULL
