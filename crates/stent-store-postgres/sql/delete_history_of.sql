-- Deletes the rows of executions that are deleted. Index on `task`.
DELETE FROM stent.history
WHERE task = ANY ($1::uuid[])
