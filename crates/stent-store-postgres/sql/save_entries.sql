-- Keeps what became of entries; their tasks' executions are locked. The outcome is written where there is one: a child's stands in its own row.
-- Primary key.
UPDATE stent.history
SET abandoned = saved.abandoned, signal = saved.signal, ordinal = saved.ordinal, outcome_kind = saved.outcome_kind,
    outcome = coalesce(saved.outcome, history.outcome)
FROM unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::uuid[], $5::bigint[], $6::smallint[], $7::text[])
    AS saved (task, position, abandoned, signal, ordinal, outcome_kind, outcome)
WHERE history.task = saved.task AND history.position = saved.position
