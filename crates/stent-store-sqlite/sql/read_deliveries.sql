-- What was delivered to a task after an ordinal, in that order. Index `history_ordinal`, then `tasks_child`.
SELECT history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind,
       coalesce(history.outcome, child.outcome)
FROM history INDEXED BY history_ordinal
LEFT JOIN tasks AS child INDEXED BY tasks_child
    ON child.id = history.child AND child.parent IS NOT NULL AND history.outcome_kind IS NOT NULL
WHERE history.task = ?1 AND history.ordinal > ?2 AND history.ordinal IS NOT NULL
ORDER BY history.ordinal
