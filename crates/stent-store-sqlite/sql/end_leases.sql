-- Ends every lease that runs. tasks_leased.
UPDATE tasks
SET lease_expires_at = ?1
WHERE lease_expires_at > ?1 AND lease_expires_at IS NOT NULL
