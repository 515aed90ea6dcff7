-- Makes executions in order, in a transaction of the caller's; what exists under an id or a key is left alone. Answers one row for each: which
-- execution there is, whether it is new, and whether it has other arguments. In a transaction of another installation than $1 it answers none and
-- does nothing. The function's own plans look up the primary keys.
SELECT made.execution, made.is_new, made.other_input
FROM stent.installation
CROSS JOIN (SELECT coalesce($2::bigint, stent.now_us()) AS now OFFSET 0) AS clock
CROSS JOIN unnest(
    $3::uuid[], $4::text[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
    $13::integer[], $14::integer[], $15::text[]
) AS wanted (
    id, function, queue, priority, run_at, delay, timeout, deadline, deadline_delay, idempotency_key, first_tag, last_tag, input
)
CROSS JOIN LATERAL stent.make_execution(
    wanted.id, wanted.function, wanted.queue, wanted.priority, wanted.run_at, wanted.delay, wanted.timeout, wanted.deadline,
    wanted.deadline_delay, wanted.idempotency_key, ($16::text[])[wanted.first_tag:wanted.last_tag], wanted.input, clock.now
) AS made
WHERE installation.id = $1::uuid
