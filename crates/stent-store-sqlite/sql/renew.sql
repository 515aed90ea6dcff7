-- Extends a lease.
UPDATE tasks
SET lease_expires_at = ?2
WHERE seq = ?1
