-- Marks a signal as received by a task. Unique index.
UPDATE signals
SET receiver = ?2
WHERE id = ?1
