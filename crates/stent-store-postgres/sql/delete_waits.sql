-- Ends waits for signals. Primary key.
DELETE FROM stent.signal_waits
USING unnest($1::uuid[], $2::bigint[]) AS gone (task, position)
WHERE signal_waits.task = gone.task AND signal_waits.position = gone.position
