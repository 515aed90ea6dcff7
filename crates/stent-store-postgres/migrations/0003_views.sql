-- What people and other programs read: instants are `timestamptz`, spans are `interval`, states are words. A column is never taken away or given another
-- meaning, while the tables below may change with any version. A view reads with its owner's rights, so that whoever may read it needs none on the tables.

CREATE FUNCTION stent.state_name(state smallint) RETURNS text LANGUAGE sql IMMUTABLE STRICT
AS $body$ SELECT (ARRAY['pending', 'running', 'suspended', 'completed', 'failed', 'timed_out', 'cancelled'])[state] $body$;

-- Exact to the last microsecond of the year 9999: seconds and microseconds apart, because intervals are multiplied as floats.
CREATE FUNCTION stent.to_timestamptz(at bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
AS $body$ SELECT '1970-01-01 00:00:00+00'::timestamptz + at / 1000000 * interval '1 second' + at % 1000000 * interval '1 microsecond' $body$;

CREATE FUNCTION stent.to_interval(span bigint) RETURNS interval LANGUAGE sql IMMUTABLE STRICT
AS $body$ SELECT span / 1000000 * interval '1 second' + span % 1000000 * interval '1 microsecond' $body$;

-- A root has no execution beside itself, so roots and children are found by their execution through different indexes.
CREATE VIEW stent.tasks AS
SELECT tasks.id,
       tasks.execution_id,
       tasks.parent AS parent_id,
       tasks.position AS call_position,
       lanes.function,
       lanes.queue,
       lanes.priority,
       stent.state_name(tasks.state) AS state,
       tasks.state AS state_code,
       stent.to_timestamptz(tasks.due_at) AS due_at,
       tasks.holder AS worker,
       stent.to_timestamptz(tasks.lease_expires_at) AS lease_expires_at,
       tasks.failed_attempts + 1 AS attempt,
       tasks.crashes,
       tasks.holds_slot,
       tasks.cancel_requested,
       tasks.operations,
       stent.to_interval(tasks.timeout_us) AS timeout,
       stent.to_timestamptz(tasks.deadline_at) AS deadline_at,
       stent.to_timestamptz(tasks.created_at) AS created_at,
       stent.to_timestamptz(tasks.queued_at) AS queued_at,
       stent.to_timestamptz(tasks.ended_at) AS ended_at,
       tasks.input::json AS input,
       CASE WHEN tasks.state = 4 THEN tasks.outcome::json END AS result,
       CASE WHEN tasks.state IN (5, 6) THEN tasks.outcome::json END AS failure
FROM (
    SELECT roots.*, roots.id AS execution_id FROM stent.task_rows AS roots WHERE roots.parent IS NULL
    UNION ALL
    SELECT children.*, children.execution FROM stent.task_rows AS children WHERE children.execution IS NOT NULL
) AS tasks
JOIN stent.lanes ON lanes.id = tasks.lane / 4;

CREATE VIEW stent.executions AS
SELECT tasks.id,
       lanes.function,
       lanes.queue,
       lanes.priority,
       stent.state_name(tasks.state) AS state,
       tasks.state AS state_code,
       stent.to_timestamptz(tasks.due_at) AS due_at,
       tasks.holder AS worker,
       stent.to_timestamptz(tasks.lease_expires_at) AS lease_expires_at,
       tasks.failed_attempts + 1 AS attempt,
       tasks.crashes,
       tasks.holds_slot,
       tasks.cancel_requested,
       tasks.operations,
       stent.to_interval(tasks.timeout_us) AS timeout,
       stent.to_timestamptz(tasks.deadline_at) AS deadline_at,
       stent.to_timestamptz(tasks.created_at) AS created_at,
       stent.to_timestamptz(tasks.queued_at) AS queued_at,
       stent.to_timestamptz(tasks.ended_at) AS ended_at,
       tasks.input::json AS input,
       CASE WHEN tasks.state = 4 THEN tasks.outcome::json END AS result,
       CASE WHEN tasks.state IN (5, 6) THEN tasks.outcome::json END AS failure,
       (SELECT keys.idempotency_key FROM stent.idempotency_keys AS keys WHERE keys.execution = tasks.id) AS idempotency_key,
       ARRAY(SELECT tags.tag FROM stent.tags WHERE tags.execution = tasks.id ORDER BY tags.tag) AS tags
FROM stent.task_rows AS tasks
JOIN stent.lanes ON lanes.id = tasks.lane / 4
WHERE tasks.parent IS NULL;

CREATE VIEW stent.execution_tags AS
SELECT tags.execution AS execution_id, tags.tag
FROM stent.tags;

CREATE VIEW stent.dead_letters AS
SELECT executions.id, executions.function, executions.queue, executions.attempt, executions.crashes, executions.created_at, executions.ended_at,
       executions.input, executions.failure, executions.idempotency_key, executions.tags
FROM stent.executions
WHERE executions.state_code = 5;

CREATE VIEW stent.leases AS
SELECT tasks.id AS task_id, coalesce(tasks.execution, tasks.id) AS execution_id, lanes.function, lanes.queue, tasks.holder AS worker,
       stent.to_timestamptz(tasks.lease_expires_at) AS lease_expires_at, tasks.failed_attempts + 1 AS attempt, tasks.cancel_requested
FROM stent.task_rows AS tasks
JOIN stent.lanes ON lanes.id = tasks.lane / 4
WHERE tasks.lease_expires_at IS NOT NULL;

-- By lane, through the indexes that hold only what has not ended.
CREATE VIEW stent.lane_counts AS
SELECT lanes.queue, lanes.function, lanes.priority,
       sum(counted.waiting)::bigint AS pending,
       sum(counted.running)::bigint AS running,
       sum(counted.suspended)::bigint AS suspended,
       sum(counted.slots)::bigint AS slots_held,
       stent.to_timestamptz(min(counted.first_due)) AS first_due_at
FROM (
    SELECT tasks.lane, count(*) AS waiting, 0 AS running, 0 AS suspended, 0 AS slots, min(tasks.due_at) AS first_due
    FROM stent.task_rows AS tasks WHERE tasks.due_at IS NOT NULL GROUP BY tasks.lane
    UNION ALL
    SELECT tasks.lane, 0, count(*), 0, 0, NULL
    FROM stent.task_rows AS tasks WHERE tasks.lease_expires_at IS NOT NULL GROUP BY tasks.lane
    UNION ALL
    SELECT tasks.lane, -count(tasks.due_at), 0, count(*), 0, NULL
    FROM stent.task_rows AS tasks WHERE tasks.state = 3 GROUP BY tasks.lane
    UNION ALL
    SELECT tasks.lane, 0, 0, 0, count(*), NULL
    FROM stent.task_rows AS tasks WHERE tasks.holds_slot GROUP BY tasks.lane
) AS counted
JOIN stent.lanes ON lanes.id = counted.lane / 4
GROUP BY lanes.queue, lanes.function, lanes.priority;

CREATE VIEW stent.queues AS
SELECT counts.queue AS name,
       sum(counts.pending)::bigint AS pending,
       sum(counts.running)::bigint AS running,
       sum(counts.suspended)::bigint AS suspended,
       min(counts.first_due_at) FILTER (WHERE counts.first_due_at <= clock_timestamp()) AS oldest_due_at
FROM stent.lane_counts AS counts
GROUP BY counts.queue;

CREATE VIEW stent.functions AS
SELECT coalesce(limits.name, counts.function) AS name,
       coalesce(counts.pending, 0)::bigint AS pending,
       coalesce(counts.running, 0)::bigint AS running,
       coalesce(counts.suspended, 0)::bigint AS suspended,
       coalesce(limits.by_operator, limits.max_concurrent) AS max_concurrent,
       limits.max_concurrent AS declared,
       limits.by_operator,
       CASE WHEN coalesce(limits.by_operator, limits.max_concurrent) IS NULL THEN 0 ELSE coalesce(counts.slots_held, 0) END::bigint AS slots_held
FROM stent.function_limits AS limits
FULL JOIN (
    SELECT function, sum(pending) AS pending, sum(running) AS running, sum(suspended) AS suspended, sum(slots_held) AS slots_held
    FROM stent.lane_counts
    GROUP BY function
) AS counts ON counts.function = limits.name;

CREATE VIEW stent.workers AS
SELECT reports.name, reports.capacity, reports.leased, reports.draining,
       stent.to_timestamptz(reports.since_at) AS since_at,
       stent.to_timestamptz(reports.seen_at) AS seen_at
FROM stent.worker_reports AS reports
WHERE reports.seen_at >= stent.now_us() - 86400000000;
