-- Moves back what was due, so that it stays due by a clock that was set back. Each lane's part of tasks_due between the two times.
UPDATE tasks
SET due_at = max(due_at + ?1, 0)
WHERE lane IN (SELECT id FROM lanes) AND due_at > ?2 AND due_at <= ?3 AND due_at IS NOT NULL
