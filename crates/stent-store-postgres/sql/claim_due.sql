-- The oldest due tasks of some lanes, so many of each at most, after a place in each. Index `tasks_due`, in its order; what others hold is passed over.
-- Locks the tasks that it answers, and waits for nobody. They are locked before any of them is changed, so that no plan takes more than were asked for.
-- proven by race::racing_claims_never_return_one_task_twice
SELECT due.id, due.execution, due.parent, due.position, due.lane, due.state, due.due_at, due.lease_expires_at, due.holder, due.ended_at, due.token, due.mark, due.commits,
       due.failed_attempts, due.crashes, due.crashes_as_suspect, due.cancel_requested, due.operations, due.deliveries, due.timeout_us, due.deadline_at,
       due.queued_at, due.created_at, due.seq, due.attempt_ends_at,
       due.input
FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[]) AS ask (lane, at_most, after_at, after_seq)
CROSS JOIN LATERAL (
    SELECT *
    FROM stent.task_rows AS tasks
    WHERE tasks.lane = ask.lane AND tasks.due_at IS NOT NULL AND tasks.due_at <= $5
      AND (tasks.due_at, tasks.seq) > (ask.after_at, ask.after_seq)
      AND (tasks.deadline_at IS NULL OR tasks.deadline_at > $5)
    ORDER BY tasks.due_at, tasks.seq
    LIMIT ask.at_most
    FOR UPDATE SKIP LOCKED
) AS due
