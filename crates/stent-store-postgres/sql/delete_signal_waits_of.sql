-- Deletes the rows of executions that are deleted. Index on `task`.
DELETE FROM stent.signal_waits
WHERE task = ANY ($1::uuid[])
