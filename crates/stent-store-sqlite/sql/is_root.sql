-- Whether there is a root of that id. Index `tasks_root`.
SELECT 1
FROM tasks INDEXED BY tasks_root
WHERE id = ?1 AND parent IS NULL
