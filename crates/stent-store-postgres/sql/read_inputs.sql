-- The arguments of tasks. Primary key.
SELECT id, execution, input
FROM stent.task_rows AS tasks
WHERE id = ANY ($1::uuid[])
