-- Entries of histories by task and position, without outcomes. Primary key.
SELECT history.task, history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (task, position)
JOIN stent.history ON history.task = wanted.task AND history.position = wanted.position
