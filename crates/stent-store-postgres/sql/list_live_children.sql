-- Children of tasks that have not ended, in the order of their making. Index `tasks_live_child`.
SELECT parent, id
FROM stent.task_rows AS tasks
WHERE parent = ANY ($1::uuid[]) AND parent IS NOT NULL AND ended_at IS NULL
ORDER BY parent, seq
