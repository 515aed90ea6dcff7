-- The next lane, by number, in which something waits with a time, and the earliest such time.
-- Asked again with the last answer, it skips from lane to lane through `tasks_due`, however many tasks each has.
SELECT lane, due_at
FROM tasks INDEXED BY tasks_due
WHERE due_at IS NOT NULL AND lane > ?1
ORDER BY lane, due_at
LIMIT 1
