-- When the next lease runs out after an instant, and no later than another. One probe of `tasks_leased`.
SELECT lease_expires_at
FROM tasks INDEXED BY tasks_leased
WHERE lease_expires_at IS NOT NULL AND lease_expires_at > ?1 AND lease_expires_at <= ?2
ORDER BY lease_expires_at
LIMIT 1
