-- Roots that nobody else holds, locked in the order of their ids: who looks after what ran out leaves an execution alone that somebody else is at.
-- proven by races::a_takeover_passes_over_what_others_hold
-- Primary key.
SELECT id
FROM stent.task_rows AS tasks
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE SKIP LOCKED
