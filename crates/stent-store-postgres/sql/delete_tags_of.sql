-- Deletes the rows of executions that are deleted. Index on `execution`.
DELETE FROM stent.tags
WHERE execution = ANY ($1::uuid[])
