-- What was delivered to tasks after an ordinal of each, in that order. Index `history_ordinal`, then the key of `tasks`.
-- What is named is looked up first: with sorts forbidden, a plan would else read the index in order and search it for the names.
-- proven by tests::what_a_request_names_is_looked_up_and_not_searched_for
SELECT history.task, history.position, history.call_key, history.operation, history.name, history.number, history.after, history.child, history.wake_at, history.abandoned, history.signal, history.ordinal, history.outcome_kind,
       coalesce(history.outcome, child.outcome)
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (task, after)
CROSS JOIN LATERAL (
    SELECT *
    FROM stent.history AS one
    WHERE one.task = wanted.task AND one.ordinal > wanted.after AND one.ordinal IS NOT NULL
    OFFSET 0
) AS history
LEFT JOIN stent.task_rows AS child ON child.id = history.child AND history.outcome_kind IS NOT NULL
ORDER BY history.task, history.ordinal
