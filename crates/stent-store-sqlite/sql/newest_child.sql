-- The greatest id of a child. One probe of `tasks_child`.
SELECT max(id)
FROM tasks INDEXED BY tasks_child
WHERE parent IS NOT NULL
