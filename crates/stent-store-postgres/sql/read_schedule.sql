-- When the fleet's next cleanup is due; locked, so that one of the fleet looks after it. Primary key.
-- proven by races::a_cleanup_waits_for_one_that_is_at_it_and_finds_it_done
SELECT next_at
FROM stent.cleanup_schedule
WHERE id = 1
FOR UPDATE
