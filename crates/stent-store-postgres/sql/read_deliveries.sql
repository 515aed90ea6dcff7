-- What was delivered to tasks after an ordinal of each, in that order. Index `history_ordinal`, then the key of `tasks`.
SELECT history.task, history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind,
       coalesce(history.outcome, child.outcome)
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (task, after)
JOIN stent.history ON history.task = wanted.task AND history.ordinal > wanted.after AND history.ordinal IS NOT NULL
LEFT JOIN stent.task_rows AS child ON child.id = history.child AND history.outcome_kind IS NOT NULL
ORDER BY history.task, history.ordinal
