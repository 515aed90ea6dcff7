-- One entry of a history, without its outcome. Primary key.
SELECT position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind
FROM history
WHERE task = ?1 AND position = ?2
