-- Leased tasks by lane. A scan of `tasks_leased`, which holds as many rows as the fleet runs bodies.
SELECT lane, count(*)
FROM tasks INDEXED BY tasks_leased
WHERE lease_expires_at IS NOT NULL
GROUP BY lane
