-- The arguments of tasks. Primary key.
SELECT id, execution, input
FROM stent.tasks
WHERE id = ANY ($1::uuid[])
