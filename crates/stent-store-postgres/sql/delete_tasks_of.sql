-- Deletes the rows of executions that are deleted. Index on `id`.
DELETE FROM stent.tasks
WHERE id = ANY ($1::uuid[])
