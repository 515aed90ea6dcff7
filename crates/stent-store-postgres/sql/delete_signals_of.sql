-- Deletes the rows of executions that are deleted. Index on `execution`.
DELETE FROM stent.signals
WHERE execution = ANY ($1::uuid[])
