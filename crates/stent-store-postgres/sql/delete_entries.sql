-- Takes entries out of histories. Primary key.
DELETE FROM stent.history
USING unnest($1::uuid[], $2::bigint[]) AS gone (task, position)
WHERE history.task = gone.task AND history.position = gone.position
