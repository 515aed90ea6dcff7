-- Children of a task that have not ended, in the order of their making. Index `tasks_live_child`.
SELECT id
FROM tasks INDEXED BY tasks_live_child
WHERE parent = ?1 AND parent IS NOT NULL AND ended_at IS NULL
ORDER BY seq
