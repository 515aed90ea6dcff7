-- Tasks of a lane that wait with a time, and the earliest such time. Index `tasks_due` alone.
SELECT count(*), min(due_at)
FROM tasks INDEXED BY tasks_due
WHERE lane = ?1 AND due_at IS NOT NULL
