-- When the next task of a lane becomes due after an instant. One probe of `tasks_due`.
SELECT due_at
FROM tasks INDEXED BY tasks_due
WHERE due_at IS NOT NULL AND lane = ?1 AND due_at > ?2
ORDER BY due_at
LIMIT 1
