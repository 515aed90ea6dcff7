-- Where tasks stand in their trees: their execution, and the call that made them. Primary key.
SELECT id, execution, parent, position
FROM stent.task_rows AS tasks
WHERE id = ANY ($1::uuid[])
