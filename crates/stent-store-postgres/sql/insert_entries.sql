-- Adds entries to histories.
INSERT INTO stent.history (task, position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind, outcome)
SELECT task, position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind, outcome
FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $7::bigint[], $8::uuid[], $9::bigint[],
    $10::boolean[], $11::uuid[], $12::bigint[], $13::smallint[], $14::text[]
) AS made (task, position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind, outcome)
