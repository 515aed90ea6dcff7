-- A history by position, without outcomes. Primary key.
SELECT position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind
FROM history
WHERE task = ?1
ORDER BY position
