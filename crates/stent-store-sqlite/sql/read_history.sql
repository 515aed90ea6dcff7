-- A history by position, with outcomes; how a child ended stands in the child's row. Primary key, then index `tasks_child`.
SELECT history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind,
       coalesce(history.outcome, child.outcome)
FROM history
LEFT JOIN tasks AS child INDEXED BY tasks_child
    ON child.id = history.child AND child.parent IS NOT NULL AND history.outcome_kind IS NOT NULL
WHERE history.task = ?1
ORDER BY history.position
