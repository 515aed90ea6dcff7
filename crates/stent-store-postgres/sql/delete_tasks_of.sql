-- Deletes the rows of executions that are deleted. Index on `id`.
DELETE FROM stent.task_rows AS tasks
WHERE id = ANY ($1::uuid[])
