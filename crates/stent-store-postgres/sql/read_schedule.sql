-- When the fleet's next cleanup is due; locked, so that one of the fleet looks after it. Primary key.
SELECT next_at
FROM stent.cleanup_schedule
WHERE id = 1
FOR UPDATE
