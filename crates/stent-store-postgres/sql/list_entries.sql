-- Histories of tasks without outcomes, by position. Primary key.
SELECT task, position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind
FROM stent.history
WHERE task = ANY ($1::uuid[])
ORDER BY task, position
