-- Leases tasks of one lane; ?1 has their rows' numbers, as a JSON array. Primary key.
-- The rule was asked for each in this transaction, whose write lock makes its answer hold.
UPDATE tasks
SET lane = ?2, holds_slot = ?3, state = 2, due_at = NULL, lease_expires_at = ?4, holder = ?5,
    token = token + 1, mark = ?6, commits = 0
WHERE seq IN (SELECT value FROM json_each(?1))
