-- When the next deadline of a task that nobody runs passes after an instant, and no later than another. One probe of `tasks_deadline`.
SELECT deadline
FROM tasks INDEXED BY tasks_deadline
WHERE deadline IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL AND deadline > ?1 AND deadline <= ?2
ORDER BY deadline
LIMIT 1
