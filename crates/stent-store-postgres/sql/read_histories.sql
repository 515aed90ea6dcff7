-- Histories of tasks with outcomes, by position; how a child ended stands in the child's row. Primary keys.
SELECT history.task, history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind,
       coalesce(history.outcome, child.outcome)
FROM stent.history
LEFT JOIN stent.task_rows AS child ON child.id = history.child AND history.outcome_kind IS NOT NULL
WHERE history.task = ANY ($1::uuid[])
ORDER BY history.task, history.position
