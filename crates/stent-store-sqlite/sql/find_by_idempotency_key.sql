-- The execution that holds a key. Unique index, then primary key.
SELECT tasks.seq, tasks.id, tasks.execution, tasks.parent, tasks.position, tasks.lane, tasks.state, tasks.due_at,
       tasks.lease_expires_at, tasks.holder, tasks.ended_at, tasks.token, tasks.mark, tasks.commits,
       tasks.failed_attempts, tasks.crashes, tasks.crashes_as_suspect, tasks.cancel_requested, tasks.operations,
       tasks.deliveries, tasks.timeout, tasks.deadline, tasks.queued_at, tasks.created_at, tasks.attempt_ends_at
FROM idempotency_keys
JOIN tasks ON tasks.seq = idempotency_keys.root
WHERE idempotency_keys.function = ?1 AND idempotency_keys.idempotency_key = ?2
