-- Suspended tasks of a lane: all, and those that wait with a time. Index `tasks_suspended` alone.
SELECT count(*), count(due_at)
FROM tasks INDEXED BY tasks_suspended
WHERE lane = ?1 AND state = 3
