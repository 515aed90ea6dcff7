-- What each table, view, column and function is for, to be read in the database too. The reference page is printed from this.

COMMENT ON TABLE stent.migrations IS 'Which migrations were applied. Written when a program opens the database with a newer schema.';
COMMENT ON COLUMN stent.migrations.number IS 'The number of the migration, from 1.';
COMMENT ON COLUMN stent.migrations.digest IS 'SHA-256 of its text, by which an edited one is noticed.';
COMMENT ON COLUMN stent.migrations.applied_at IS 'When it was applied.';

COMMENT ON TABLE stent.installation IS 'One row, which tells this installation from every other. Written once, by a migration.';
COMMENT ON COLUMN stent.installation.id IS 'By which a program knows whether a transaction is one of its own database.';
COMMENT ON COLUMN stent.installation.schema IS 'The name of the schema.';
COMMENT ON COLUMN stent.installation.channel IS 'The channel of notifications on which programs hear of work.';

COMMENT ON TABLE stent.lanes IS 'What claiming looks at beside age and class: queue, function and priority. Written by the first dispatch or call that needs a lane; a row never changes or goes.';
COMMENT ON COLUMN stent.lanes.id IS 'Its number.';
COMMENT ON COLUMN stent.lanes.queue IS 'The queue, 1 to 255 bytes.';
COMMENT ON COLUMN stent.lanes.function IS 'The durable function, 1 to 255 bytes: its name, with @ and the version from version 2 on.';
COMMENT ON COLUMN stent.lanes.priority IS 'Higher first.';

COMMENT ON TABLE stent.task_rows IS 'Tasks: roots, which are executions, and their children. Written by dispatch, claims, commits, signals, cancels and cleanup.';
COMMENT ON COLUMN stent.task_rows.id IS 'A UUID of version 7, chosen by who makes it. Of a root it is the id of the execution.';
COMMENT ON COLUMN stent.task_rows.execution IS 'Of a child: the execution, by the id of its root. NULL in a root.';
COMMENT ON COLUMN stent.task_rows.parent IS 'Of a child: the task that called it.';
COMMENT ON COLUMN stent.task_rows.seq IS 'The order of making; it decides between tasks of one age.';
COMMENT ON COLUMN stent.task_rows.position IS 'Of a child: the call position of its parent that made it.';
COMMENT ON COLUMN stent.task_rows.due_at IS 'Microseconds since 1970. When it may be claimed: of a pending task when it runs, of a suspended one when it wakes, if that is known.';
COMMENT ON COLUMN stent.task_rows.lease_expires_at IS 'Microseconds since 1970. When the lease of a running task runs out. Written by claims and renewals.';
COMMENT ON COLUMN stent.task_rows.ended_at IS 'Microseconds since 1970. When it came to a terminal state; cleanup goes by it.';
COMMENT ON COLUMN stent.task_rows.token IS 'The fencing token: grows with every claim.';
COMMENT ON COLUMN stent.task_rows.mark IS 'The random mark of the newest claim; with the token it is the fence that every write of the holder carries.';
COMMENT ON COLUMN stent.task_rows.timeout_us IS 'Microseconds. How long one attempt may take, if the call said so.';
COMMENT ON COLUMN stent.task_rows.deadline_at IS 'Microseconds since 1970. When it must have ended.';
COMMENT ON COLUMN stent.task_rows.queued_at IS 'Microseconds since 1970. Its age among its equals: since when it is due, or when it will be.';
COMMENT ON COLUMN stent.task_rows.created_at IS 'Microseconds since 1970. When it was made.';
COMMENT ON COLUMN stent.task_rows.deliveries IS 'How many outcomes of its history were recorded: the newest ordinal.';
COMMENT ON COLUMN stent.task_rows.lane IS 'Four times the id of its lane, plus 1 while it holds a slot, plus 2 while it is a suspect.';
COMMENT ON COLUMN stent.task_rows.commits IS 'How many commits were applied under the newest fence.';
COMMENT ON COLUMN stent.task_rows.failed_attempts IS 'Attempts that failed or timed out and were followed by another.';
COMMENT ON COLUMN stent.task_rows.crashes IS 'How often its worker was lost while it was leased.';
COMMENT ON COLUMN stent.task_rows.crashes_as_suspect IS 'Those of them that count towards the crash limit.';
COMMENT ON COLUMN stent.task_rows.operations IS 'Entries of its history.';
COMMENT ON COLUMN stent.task_rows.state IS '1 pending, 2 running, 3 suspended, 4 completed, 5 failed, 6 timed out, 7 cancelled.';
COMMENT ON COLUMN stent.task_rows.holds_slot IS 'Whether it counts towards the limit of its function.';
COMMENT ON COLUMN stent.task_rows.cancel_requested IS 'Whether the worker that runs it was asked to stop.';
COMMENT ON COLUMN stent.task_rows.holder IS 'The worker that runs it.';
COMMENT ON COLUMN stent.task_rows.input IS 'The arguments: a JSON document, as it was written.';
COMMENT ON COLUMN stent.task_rows.outcome IS 'Of a task that completed its result, of one that failed or timed out what is recorded of that: a JSON document.';

COMMENT ON TABLE stent.history IS 'Durable operations of tasks. Written by commits; an entry is made once and resolved once.';
COMMENT ON COLUMN stent.history.task IS 'The task.';
COMMENT ON COLUMN stent.history.position IS 'The call position, from 1, in program order.';
COMMENT ON COLUMN stent.history.call_key IS 'The key of a call that has one.';
COMMENT ON COLUMN stent.history.operation IS '1 child, 2 step, 3 sleep, 4 sleep until, 5 signal, 6 now, 7 random.';
COMMENT ON COLUMN stent.history.name IS 'The function of a child, the name of a step or a signal.';
COMMENT ON COLUMN stent.history.number IS 'Of a child the digest of its input, of a sleep its microseconds, of now and random the value.';
COMMENT ON COLUMN stent.history.after IS 'How many outcomes the body had seen when it began the operation.';
COMMENT ON COLUMN stent.history.child IS 'The child task.';
COMMENT ON COLUMN stent.history.wake_at IS 'Microseconds since 1970. When a wait ends by itself.';
COMMENT ON COLUMN stent.history.abandoned IS 'Whether the body dropped it before its outcome came.';
COMMENT ON COLUMN stent.history.signal IS 'The signal that was received.';
COMMENT ON COLUMN stent.history.ordinal IS 'The place of its outcome in the order of delivery, from 1. NULL while there is none, and of now and random.';
COMMENT ON COLUMN stent.history.outcome_kind IS 'How it ended: 4 completed, 5 failed, 6 timed out, 7 cancelled.';
COMMENT ON COLUMN stent.history.outcome IS 'The result or the failure, a JSON document; that of a child stands with the child.';

COMMENT ON TABLE stent.idempotency_keys IS 'Keys in use. Written by dispatch, deleted with the execution.';
COMMENT ON COLUMN stent.idempotency_keys.idempotency_key IS 'The key, 1 to 255 bytes.';
COMMENT ON COLUMN stent.idempotency_keys.function IS 'The function of which it makes one execution.';
COMMENT ON COLUMN stent.idempotency_keys.execution IS 'The execution.';

COMMENT ON TABLE stent.tags IS 'Labels of executions. Written by dispatch.';
COMMENT ON COLUMN stent.tags.execution IS 'The execution.';
COMMENT ON COLUMN stent.tags.tag IS 'The label, 1 to 255 bytes.';

COMMENT ON TABLE stent.function_limits IS 'Functions that workers have declared or operators have limited. Written when a worker starts, and when an operator sets a limit.';
COMMENT ON COLUMN stent.function_limits.name IS 'The function.';
COMMENT ON COLUMN stent.function_limits.max_concurrent IS 'How many of its tasks may hold a slot, as the code says. NULL: any number.';
COMMENT ON COLUMN stent.function_limits.releases_while_waiting IS 'Whether a suspended task gives its slot up.';
COMMENT ON COLUMN stent.function_limits.by_operator IS 'The limit that an operator has set, which counts before the other.';

COMMENT ON TABLE stent.signals IS 'Every signal that was accepted, until its execution is deleted. Written by who sends it, and by its receipt.';
COMMENT ON COLUMN stent.signals.id IS 'Chosen by the sender, so that sending it again sends nothing twice.';
COMMENT ON COLUMN stent.signals.seq IS 'The order in which they came.';
COMMENT ON COLUMN stent.signals.execution IS 'To whom it is sent.';
COMMENT ON COLUMN stent.signals.name IS 'Its name.';
COMMENT ON COLUMN stent.signals.payload IS 'A JSON document.';
COMMENT ON COLUMN stent.signals.received IS 'Whether a wait has received it.';

COMMENT ON TABLE stent.signal_waits IS 'Tasks that wait for a signal. Written by commits.';
COMMENT ON COLUMN stent.signal_waits.task IS 'The task.';
COMMENT ON COLUMN stent.signal_waits.position IS 'The call position of its wait.';
COMMENT ON COLUMN stent.signal_waits.seq IS 'The order of waiting: the oldest receives first.';
COMMENT ON COLUMN stent.signal_waits.execution IS 'The execution whose signals it waits for.';
COMMENT ON COLUMN stent.signal_waits.name IS 'The name that it waits for.';

COMMENT ON TABLE stent.worker_reports IS 'One row for each worker, for people. Written with every renewal.';
COMMENT ON COLUMN stent.worker_reports.name IS 'The worker.';
COMMENT ON COLUMN stent.worker_reports.capacity IS 'How many bodies it runs at once.';
COMMENT ON COLUMN stent.worker_reports.leased IS 'How many tasks it holds.';
COMMENT ON COLUMN stent.worker_reports.draining IS 'Whether it stops.';
COMMENT ON COLUMN stent.worker_reports.since_at IS 'Microseconds since 1970. When it reported first.';
COMMENT ON COLUMN stent.worker_reports.seen_at IS 'Microseconds since 1970. When it reported last.';

COMMENT ON TABLE stent.cleanup_schedule IS 'One row: when the next cleanup of the fleet is due. Written by cleanup.';
COMMENT ON COLUMN stent.cleanup_schedule.id IS 'Always 1.';
COMMENT ON COLUMN stent.cleanup_schedule.next_at IS 'Microseconds since 1970.';

COMMENT ON VIEW stent.tasks IS 'Every task.';
COMMENT ON COLUMN stent.tasks.id IS 'The task.';
COMMENT ON COLUMN stent.tasks.execution_id IS 'The execution that it belongs to.';
COMMENT ON COLUMN stent.tasks.parent_id IS 'The task that called it. NULL of a root.';
COMMENT ON COLUMN stent.tasks.call_position IS 'Which of the operations of that task the call is.';
COMMENT ON COLUMN stent.tasks.function IS 'The durable function.';
COMMENT ON COLUMN stent.tasks.queue IS 'The queue.';
COMMENT ON COLUMN stent.tasks.priority IS 'Higher first.';
COMMENT ON COLUMN stent.tasks.state IS 'pending, running, suspended, completed, failed, timed_out or cancelled.';
COMMENT ON COLUMN stent.tasks.state_code IS 'The same as a number, from 1, in this order.';
COMMENT ON COLUMN stent.tasks.due_at IS 'When it may be claimed, or wakes.';
COMMENT ON COLUMN stent.tasks.worker IS 'The worker that runs it.';
COMMENT ON COLUMN stent.tasks.lease_expires_at IS 'When another worker takes it over, unless this one renews its lease.';
COMMENT ON COLUMN stent.tasks.attempt IS 'The attempt that runs or comes next, from 1.';
COMMENT ON COLUMN stent.tasks.crashes IS 'How often its worker was lost.';
COMMENT ON COLUMN stent.tasks.holds_slot IS 'Whether it counts towards the limit of its function.';
COMMENT ON COLUMN stent.tasks.cancel_requested IS 'Whether its worker was asked to stop it.';
COMMENT ON COLUMN stent.tasks.operations IS 'Durable operations so far.';
COMMENT ON COLUMN stent.tasks.timeout IS 'How long one attempt may take, if the call said so.';
COMMENT ON COLUMN stent.tasks.deadline_at IS 'When it must have ended.';
COMMENT ON COLUMN stent.tasks.created_at IS 'When it was made.';
COMMENT ON COLUMN stent.tasks.queued_at IS 'Since when it is due, or when it will be.';
COMMENT ON COLUMN stent.tasks.ended_at IS 'When it ended.';
COMMENT ON COLUMN stent.tasks.input IS 'Its arguments.';
COMMENT ON COLUMN stent.tasks.result IS 'What it returned.';
COMMENT ON COLUMN stent.tasks.failure IS 'What is recorded of its failure: kind, message and sources.';

COMMENT ON VIEW stent.executions IS 'Every execution, as its root task stands.';
COMMENT ON COLUMN stent.executions.id IS 'The execution.';
COMMENT ON COLUMN stent.executions.function IS 'The durable function.';
COMMENT ON COLUMN stent.executions.queue IS 'The queue.';
COMMENT ON COLUMN stent.executions.priority IS 'Higher first.';
COMMENT ON COLUMN stent.executions.state IS 'pending, running, suspended, completed, failed, timed_out or cancelled.';
COMMENT ON COLUMN stent.executions.state_code IS 'The same as a number, from 1, in this order.';
COMMENT ON COLUMN stent.executions.due_at IS 'When it may be claimed, or wakes.';
COMMENT ON COLUMN stent.executions.worker IS 'The worker that runs it.';
COMMENT ON COLUMN stent.executions.lease_expires_at IS 'When another worker takes it over, unless this one renews its lease.';
COMMENT ON COLUMN stent.executions.attempt IS 'The attempt that runs or comes next, from 1.';
COMMENT ON COLUMN stent.executions.crashes IS 'How often its worker was lost.';
COMMENT ON COLUMN stent.executions.holds_slot IS 'Whether it counts towards the limit of its function.';
COMMENT ON COLUMN stent.executions.cancel_requested IS 'Whether its worker was asked to stop it.';
COMMENT ON COLUMN stent.executions.operations IS 'Durable operations so far.';
COMMENT ON COLUMN stent.executions.timeout IS 'How long one attempt may take, if the call said so.';
COMMENT ON COLUMN stent.executions.deadline_at IS 'When it must have ended.';
COMMENT ON COLUMN stent.executions.created_at IS 'When it was made.';
COMMENT ON COLUMN stent.executions.queued_at IS 'Since when it is due, or when it will be.';
COMMENT ON COLUMN stent.executions.ended_at IS 'When it ended.';
COMMENT ON COLUMN stent.executions.input IS 'Its arguments.';
COMMENT ON COLUMN stent.executions.result IS 'What it returned.';
COMMENT ON COLUMN stent.executions.failure IS 'What is recorded of its failure: kind, message and sources.';
COMMENT ON COLUMN stent.executions.idempotency_key IS 'The key under which it was dispatched.';
COMMENT ON COLUMN stent.executions.tags IS 'Its labels, sorted.';

COMMENT ON VIEW stent.execution_tags IS 'Every label of every execution.';
COMMENT ON COLUMN stent.execution_tags.execution_id IS 'The execution.';
COMMENT ON COLUMN stent.execution_tags.tag IS 'The label.';

COMMENT ON VIEW stent.dead_letters IS 'Executions that failed and for which no retry is left.';
COMMENT ON COLUMN stent.dead_letters.id IS 'The execution.';
COMMENT ON COLUMN stent.dead_letters.function IS 'The durable function.';
COMMENT ON COLUMN stent.dead_letters.queue IS 'The queue.';
COMMENT ON COLUMN stent.dead_letters.attempt IS 'How many attempts there were.';
COMMENT ON COLUMN stent.dead_letters.crashes IS 'How often its worker was lost.';
COMMENT ON COLUMN stent.dead_letters.created_at IS 'When it was made.';
COMMENT ON COLUMN stent.dead_letters.ended_at IS 'When it ended.';
COMMENT ON COLUMN stent.dead_letters.input IS 'Its arguments.';
COMMENT ON COLUMN stent.dead_letters.failure IS 'What is recorded of its failure: kind, message and sources.';
COMMENT ON COLUMN stent.dead_letters.idempotency_key IS 'The key under which it was dispatched.';
COMMENT ON COLUMN stent.dead_letters.tags IS 'Its labels, sorted.';

COMMENT ON VIEW stent.leases IS 'Tasks that a worker holds.';
COMMENT ON COLUMN stent.leases.task_id IS 'The task.';
COMMENT ON COLUMN stent.leases.execution_id IS 'The execution that it belongs to.';
COMMENT ON COLUMN stent.leases.function IS 'The durable function.';
COMMENT ON COLUMN stent.leases.queue IS 'The queue.';
COMMENT ON COLUMN stent.leases.worker IS 'The worker that runs it.';
COMMENT ON COLUMN stent.leases.lease_expires_at IS 'When another worker takes it over, unless this one renews its lease.';
COMMENT ON COLUMN stent.leases.attempt IS 'The attempt that runs or comes next, from 1.';
COMMENT ON COLUMN stent.leases.cancel_requested IS 'Whether its worker was asked to stop it.';

COMMENT ON VIEW stent.lane_counts IS 'What has not ended, by queue, function and priority.';
COMMENT ON COLUMN stent.lane_counts.queue IS 'The queue.';
COMMENT ON COLUMN stent.lane_counts.function IS 'The function.';
COMMENT ON COLUMN stent.lane_counts.priority IS 'The priority.';
COMMENT ON COLUMN stent.lane_counts.pending IS 'Tasks that wait to be claimed, now or later.';
COMMENT ON COLUMN stent.lane_counts.running IS 'Tasks that a worker holds.';
COMMENT ON COLUMN stent.lane_counts.suspended IS 'Tasks that wait for a child, a time or a signal.';
COMMENT ON COLUMN stent.lane_counts.slots_held IS 'Tasks that hold a slot.';
COMMENT ON COLUMN stent.lane_counts.first_due_at IS 'When the first of them is due.';

COMMENT ON VIEW stent.queues IS 'Queues with tasks that have not ended.';
COMMENT ON COLUMN stent.queues.name IS 'The queue.';
COMMENT ON COLUMN stent.queues.pending IS 'Tasks that wait to be claimed, now or later.';
COMMENT ON COLUMN stent.queues.running IS 'Tasks that a worker holds.';
COMMENT ON COLUMN stent.queues.suspended IS 'Tasks that wait for a child, a time or a signal.';
COMMENT ON COLUMN stent.queues.oldest_due_at IS 'Since when the one that is due longest could have been claimed: how far the workers are behind.';

COMMENT ON VIEW stent.functions IS 'Functions that were declared, are limited, or have tasks that have not ended.';
COMMENT ON COLUMN stent.functions.name IS 'The function.';
COMMENT ON COLUMN stent.functions.pending IS 'Tasks that wait to be claimed, now or later.';
COMMENT ON COLUMN stent.functions.running IS 'Tasks that a worker holds.';
COMMENT ON COLUMN stent.functions.suspended IS 'Tasks that wait for a child, a time or a signal.';
COMMENT ON COLUMN stent.functions.max_concurrent IS 'The limit that counts. NULL: none.';
COMMENT ON COLUMN stent.functions.declared IS 'The limit of the code.';
COMMENT ON COLUMN stent.functions.by_operator IS 'The limit that an operator has set.';
COMMENT ON COLUMN stent.functions.slots_held IS 'Tasks that hold a slot, if it is limited.';

COMMENT ON VIEW stent.workers IS 'Workers that reported within the last day.';
COMMENT ON COLUMN stent.workers.name IS 'The worker.';
COMMENT ON COLUMN stent.workers.capacity IS 'How many bodies it runs at once.';
COMMENT ON COLUMN stent.workers.leased IS 'How many tasks it holds.';
COMMENT ON COLUMN stent.workers.draining IS 'Whether it stops.';
COMMENT ON COLUMN stent.workers.since_at IS 'When it reported first.';
COMMENT ON COLUMN stent.workers.seen_at IS 'When it reported last.';

COMMENT ON FUNCTION stent.now_us() IS 'The clock of the database: microseconds since 1970. Every instant that is written comes from it.';
COMMENT ON FUNCTION stent.new_id(bigint) IS 'A UUID of version 7 of an instant in microseconds.';
COMMENT ON FUNCTION stent.check_name(text, text) IS 'Refuses what is no name.';
COMMENT ON FUNCTION stent.check_payload(text) IS 'Refuses what is no payload.';
COMMENT ON FUNCTION stent.span_us(interval) IS 'A span in microseconds, rounded up.';
COMMENT ON FUNCTION stent.instant_us(timestamptz) IS 'An instant in microseconds since 1970.';
COMMENT ON FUNCTION stent.state_name(smallint) IS 'The word for a state.';
COMMENT ON FUNCTION stent.to_timestamptz(bigint) IS 'The instant of microseconds since 1970.';
COMMENT ON FUNCTION stent.to_interval(bigint) IS 'The span of so many microseconds.';
COMMENT ON FUNCTION stent.make_execution(uuid, text, text, integer, bigint, bigint, bigint, bigint, bigint, text, text[], text, bigint) IS 'Makes an execution of what was checked before. Not for people: it changes with any version.';
COMMENT ON FUNCTION stent.dispatch(text, text, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) IS 'Makes an execution of a durable function, which is run once the transaction is committed.';
COMMENT ON FUNCTION stent.dispatch(text, json, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) IS 'Makes an execution of a durable function, which is run once the transaction is committed.';
COMMENT ON FUNCTION stent.dispatch(text, jsonb, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) IS 'Makes an execution of a durable function, which is run once the transaction is committed.';
