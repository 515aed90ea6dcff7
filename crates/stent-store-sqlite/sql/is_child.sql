-- Whether there is a child of that id. Index `tasks_child`.
SELECT 1
FROM tasks INDEXED BY tasks_child
WHERE id = ?1 AND parent IS NOT NULL
