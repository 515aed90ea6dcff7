-- Rows that belong to nothing, and what has not ended: each with how many there are. After a trial there is none.
SELECT 'children without a caller', count(*) FROM stent.task_rows AS task
WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM stent.task_rows AS caller WHERE caller.id = task.parent)
UNION ALL
SELECT 'children without an execution', count(*) FROM stent.task_rows AS task
WHERE parent IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM stent.task_rows AS root WHERE root.id = task.execution AND root.parent IS NULL)
UNION ALL
SELECT 'children whose caller is of another execution', count(*) FROM stent.task_rows AS task
JOIN stent.task_rows AS caller ON caller.id = task.parent
WHERE coalesce(caller.execution, caller.id) <> task.execution
UNION ALL
SELECT 'children that no history names', count(*) FROM stent.task_rows AS task
WHERE parent IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM stent.history WHERE task = parent AND history.position = task.position AND child = id)
UNION ALL
SELECT 'calls in histories without their child', count(*) FROM stent.history
WHERE child IS NOT NULL AND NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE id = history.child)
UNION ALL
SELECT 'two children of one call', count(*) FROM (
    SELECT 1 FROM stent.task_rows WHERE parent IS NOT NULL GROUP BY parent, position HAVING count(*) > 1
) AS twice
UNION ALL
SELECT 'histories with a gap in their order', count(*) FROM (
    SELECT 1 FROM stent.history WHERE ordinal IS NOT NULL GROUP BY task HAVING max(ordinal) <> count(*)
) AS gaps
UNION ALL
SELECT 'tasks that have not ended', count(*) FROM stent.task_rows WHERE ended_at IS NULL
UNION ALL
SELECT 'slots that are held', count(*) FROM stent.task_rows WHERE holds_slot
UNION ALL
SELECT 'tasks without a lane', count(*) FROM stent.task_rows
WHERE NOT EXISTS (SELECT 1 FROM stent.lanes WHERE lanes.id = lane / 4)
UNION ALL
SELECT 'histories without a task', count(*) FROM stent.history
WHERE NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE id = task)
UNION ALL
SELECT 'waits for signals of nothing that waits', count(*) FROM stent.signal_waits
WHERE NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE id = task AND ended_at IS NULL)
UNION ALL
SELECT 'signals without an execution', count(*) FROM stent.signals
WHERE NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE task_rows.id = signals.execution AND parent IS NULL)
UNION ALL
SELECT 'idempotency keys without an execution', count(*) FROM stent.idempotency_keys AS keys
WHERE NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE task_rows.id = keys.execution AND parent IS NULL)
UNION ALL
SELECT 'tags without an execution', count(*) FROM stent.tags
WHERE NOT EXISTS (SELECT 1 FROM stent.task_rows WHERE task_rows.id = tags.execution AND parent IS NULL)
