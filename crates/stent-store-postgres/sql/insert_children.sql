-- Makes children, in order. One whose id was taken meanwhile fails the transaction, which is then done anew.
INSERT INTO stent.task_rows (
    id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits,
    failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries, timeout_us, deadline_at,
    queued_at, created_at, input, outcome
)
SELECT id, execution, parent, position, lane, lane & 1 = 1, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits,
       failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries, timeout_us, deadline_at,
       queued_at, created_at, input, outcome
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::integer[], $6::smallint[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[],
    $11::bigint[], $12::bigint[], $13::integer[], $14::integer[], $15::integer[], $16::integer[], $17::boolean[], $18::integer[],
    $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::text[], $25::text[]
) AS made (
    id, execution, parent, position, lane, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits,
    failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries, timeout_us, deadline_at,
    queued_at, created_at, input, outcome
)
