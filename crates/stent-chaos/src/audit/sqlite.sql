-- Rows that belong to nothing, and what has not ended: each with how many there are. After a trial there is none.
SELECT 'children without a caller', count(*) FROM tasks
WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM tasks)
UNION ALL
SELECT 'children without an execution', count(*) FROM tasks
WHERE parent IS NOT NULL AND execution NOT IN (SELECT id FROM tasks WHERE parent IS NULL)
UNION ALL
SELECT 'children whose caller is of another execution', count(*) FROM tasks
WHERE parent IS NOT NULL AND (parent, execution) NOT IN (SELECT id, coalesce(execution, id) FROM tasks)
UNION ALL
SELECT 'children that no history names', count(*) FROM tasks
WHERE parent IS NOT NULL AND id NOT IN (SELECT child FROM history WHERE child IS NOT NULL)
UNION ALL
SELECT 'calls in histories without their child', count(*) FROM history
WHERE child IS NOT NULL AND child NOT IN (SELECT id FROM tasks)
UNION ALL
SELECT 'two children of one call', count(*) FROM (
    SELECT 1 FROM tasks WHERE parent IS NOT NULL GROUP BY parent, position HAVING count(*) > 1
)
UNION ALL
SELECT 'histories with a gap in their order', count(*) FROM (
    SELECT 1 FROM history WHERE ordinal IS NOT NULL GROUP BY task HAVING max(ordinal) <> count(*)
)
UNION ALL
SELECT 'tasks that have not ended', count(*) FROM tasks WHERE ended_at IS NULL
UNION ALL
SELECT 'slots that are held', count(*) FROM tasks WHERE holds_slot = 1
UNION ALL
SELECT 'tasks without a lane', count(*) FROM tasks WHERE lane NOT IN (SELECT id FROM lanes)
UNION ALL
SELECT 'histories without a task', count(*) FROM history WHERE task NOT IN (SELECT seq FROM tasks)
UNION ALL
SELECT 'inputs without a task', count(*) FROM inputs WHERE task NOT IN (SELECT seq FROM tasks)
UNION ALL
SELECT 'waits for signals of nothing that waits', count(*) FROM signal_waits
WHERE task NOT IN (SELECT seq FROM tasks WHERE ended_at IS NULL)
UNION ALL
SELECT 'signals without an execution', count(*) FROM signals
WHERE root NOT IN (SELECT seq FROM tasks WHERE parent IS NULL)
UNION ALL
SELECT 'idempotency keys without an execution', count(*) FROM idempotency_keys
WHERE root NOT IN (SELECT seq FROM tasks WHERE parent IS NULL)
UNION ALL
SELECT 'tags without an execution', count(*) FROM tags
WHERE root NOT IN (SELECT seq FROM tasks WHERE parent IS NULL)
