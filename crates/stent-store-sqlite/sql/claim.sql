-- Leases a task. `seq` is the primary key; the write lock of the transaction makes the rule's answer hold.
UPDATE tasks
SET lane = ?2, holds_slot = ?3, state = 2, due_at = NULL, lease_expires_at = ?4, holder = ?5, token = ?6, mark = ?7, commits = ?8
WHERE seq = ?1
