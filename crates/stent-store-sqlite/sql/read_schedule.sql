-- When the fleet's next cleanup is due. Primary key.
SELECT next_at
FROM cleanup_schedule
WHERE id = 1
