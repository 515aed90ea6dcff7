-- What all migrations make together. A test compares it; `STENT_BLESS=1 cargo test -p stent-store-postgres schema` writes it anew.

CREATE TABLE stent.cleanup_schedule (
    id integer NOT NULL,
    next_at bigint NOT NULL,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

CREATE TABLE stent.function_limits (
    name text COLLATE "C" NOT NULL,
    max_concurrent integer,
    releases_while_waiting boolean NOT NULL,
    by_operator integer,
    PRIMARY KEY (name),
    CHECK ((by_operator >= 1)),
    CHECK ((max_concurrent >= 1))
);

CREATE TABLE stent.history (
    task uuid NOT NULL,
    "position" bigint NOT NULL,
    call_key text COLLATE "C",
    operation smallint NOT NULL,
    name text COLLATE "C",
    number bigint,
    after bigint NOT NULL,
    child uuid,
    wake_at bigint,
    abandoned boolean NOT NULL,
    signal uuid,
    ordinal bigint,
    outcome_kind smallint,
    outcome text,
    PRIMARY KEY (task, "position"),
    CHECK (((operation >= 1) AND (operation <= 7))),
    CHECK (((ordinal IS NULL) OR (outcome_kind IS NOT NULL))),
    CHECK (((outcome_kind >= 4) AND (outcome_kind <= 7)))
) WITH (fillfactor=85, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);

CREATE TABLE stent.idempotency_keys (
    idempotency_key text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    execution uuid NOT NULL,
    UNIQUE (execution),
    PRIMARY KEY (idempotency_key, function)
);

CREATE TABLE stent.installation (
    id uuid NOT NULL,
    schema text NOT NULL,
    channel text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE stent.lanes (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    queue text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    priority integer NOT NULL,
    UNIQUE (function, queue, priority),
    PRIMARY KEY (id)
);

CREATE TABLE stent.migrations (
    number integer NOT NULL,
    digest bytea NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (number),
    CHECK ((number >= 1))
);

CREATE TABLE stent.signal_waits (
    task uuid NOT NULL,
    "position" bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    execution uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (task, "position")
);

CREATE TABLE stent.signals (
    id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    execution uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    payload text NOT NULL,
    received boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id)
);

CREATE TABLE stent.tags (
    execution uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    PRIMARY KEY (execution, tag)
);

CREATE TABLE stent.task_rows (
    id uuid NOT NULL,
    execution uuid,
    parent uuid,
    seq bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    "position" bigint,
    due_at bigint,
    lease_expires_at bigint,
    ended_at bigint,
    token bigint NOT NULL DEFAULT 0,
    mark bigint NOT NULL DEFAULT 0,
    timeout_us bigint,
    deadline_at bigint,
    queued_at bigint NOT NULL,
    created_at bigint NOT NULL,
    deliveries bigint NOT NULL DEFAULT 0,
    lane integer NOT NULL,
    commits integer NOT NULL DEFAULT 0,
    failed_attempts integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    crashes_as_suspect integer NOT NULL DEFAULT 0,
    operations integer NOT NULL DEFAULT 0,
    state smallint NOT NULL DEFAULT 1,
    holds_slot boolean NOT NULL DEFAULT false,
    cancel_requested boolean NOT NULL DEFAULT false,
    holder text COLLATE "C",
    input text NOT NULL,
    outcome text,
    attempt_ends_at bigint,
    PRIMARY KEY (id),
    CHECK ((((execution IS NULL) = (parent IS NULL)) AND ((parent IS NULL) = ("position" IS NULL)))),
    CHECK ((((state = 2) = (lease_expires_at IS NOT NULL)) AND ((state = 2) = (holder IS NOT NULL)))),
    CHECK (((NOT holds_slot) OR (state < 4))),
    CHECK (((due_at IS NOT NULL) OR (state <> 1))),
    CHECK (((due_at IS NULL) OR (state = ANY (ARRAY[1, 3])))),
    CHECK (((outcome IS NULL) OR (state >= 4))),
    CHECK (((state >= 1) AND (state <= 7))),
    CHECK (((state >= 4) = (ended_at IS NOT NULL))),
    CHECK ((token >= 0))
) WITH (fillfactor=85, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=20000, autovacuum_vacuum_cost_delay=0);

CREATE TABLE stent.worker_reports (
    name text COLLATE "C" NOT NULL,
    capacity bigint NOT NULL,
    leased bigint NOT NULL,
    draining boolean NOT NULL,
    since_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (name)
) WITH (fillfactor=50);

CREATE UNIQUE INDEX history_ordinal ON stent.history USING btree (task, ordinal) WHERE (ordinal IS NOT NULL);

CREATE INDEX signal_waits_name ON stent.signal_waits USING btree (execution, name, seq);

CREATE INDEX signals_execution ON stent.signals USING btree (execution);

CREATE INDEX signals_unreceived ON stent.signals USING btree (execution, name, seq) WHERE (NOT received);

CREATE INDEX tags_tag ON stent.tags USING btree (tag, execution);

CREATE INDEX tasks_dead_letter ON stent.task_rows USING btree (id) WHERE ((state = 5) AND (parent IS NULL));

CREATE INDEX tasks_deadline ON stent.task_rows USING btree (deadline_at, seq) WHERE ((deadline_at IS NOT NULL) AND (lease_expires_at IS NULL) AND (ended_at IS NULL));

CREATE INDEX tasks_due ON stent.task_rows USING btree (lane, due_at, seq) WHERE (due_at IS NOT NULL);

CREATE INDEX tasks_ended ON stent.task_rows USING btree (ended_at, seq) WHERE ((ended_at IS NOT NULL) AND (parent IS NULL));

CREATE INDEX tasks_execution ON stent.task_rows USING btree (execution, id) WHERE (execution IS NOT NULL);

CREATE INDEX tasks_leased ON stent.task_rows USING btree (lease_expires_at, seq) WHERE (lease_expires_at IS NOT NULL);

CREATE INDEX tasks_live_child ON stent.task_rows USING btree (parent, seq) WHERE ((parent IS NOT NULL) AND (ended_at IS NULL));

CREATE INDEX tasks_slot ON stent.task_rows USING btree (lane) WHERE holds_slot;

CREATE INDEX tasks_suspended ON stent.task_rows USING btree (lane) WHERE (state = 3);

CREATE INDEX workers_seen ON stent.worker_reports USING btree (seen_at DESC, name);

-- View stent.dead_letters:
-- id uuid
-- function text COLLATE "C"
-- queue text COLLATE "C"
-- attempt integer
-- crashes integer
-- created_at timestamp with time zone
-- ended_at timestamp with time zone
-- input json
-- failure json
-- idempotency_key text COLLATE "C"
-- tags text[] COLLATE "C"

-- View stent.execution_tags:
-- execution_id uuid
-- tag text COLLATE "C"

-- View stent.executions:
-- id uuid
-- function text COLLATE "C"
-- queue text COLLATE "C"
-- priority integer
-- state text
-- state_code smallint
-- due_at timestamp with time zone
-- worker text COLLATE "C"
-- lease_expires_at timestamp with time zone
-- attempt integer
-- crashes integer
-- holds_slot boolean
-- cancel_requested boolean
-- operations integer
-- timeout interval
-- deadline_at timestamp with time zone
-- created_at timestamp with time zone
-- queued_at timestamp with time zone
-- ended_at timestamp with time zone
-- input json
-- result json
-- failure json
-- idempotency_key text COLLATE "C"
-- tags text[] COLLATE "C"

-- View stent.functions:
-- name text COLLATE "C"
-- pending bigint
-- running bigint
-- suspended bigint
-- max_concurrent integer
-- declared integer
-- by_operator integer
-- slots_held bigint

-- View stent.lane_counts:
-- queue text COLLATE "C"
-- function text COLLATE "C"
-- priority integer
-- pending bigint
-- running bigint
-- suspended bigint
-- slots_held bigint
-- first_due_at timestamp with time zone

-- View stent.leases:
-- task_id uuid
-- execution_id uuid
-- function text COLLATE "C"
-- queue text COLLATE "C"
-- worker text COLLATE "C"
-- lease_expires_at timestamp with time zone
-- attempt integer
-- cancel_requested boolean

-- View stent.queues:
-- name text COLLATE "C"
-- pending bigint
-- running bigint
-- suspended bigint
-- oldest_due_at timestamp with time zone

-- View stent.tasks:
-- id uuid
-- execution_id uuid
-- parent_id uuid
-- call_position bigint
-- function text COLLATE "C"
-- queue text COLLATE "C"
-- priority integer
-- state text
-- state_code smallint
-- due_at timestamp with time zone
-- worker text COLLATE "C"
-- lease_expires_at timestamp with time zone
-- attempt integer
-- crashes integer
-- holds_slot boolean
-- cancel_requested boolean
-- operations integer
-- timeout interval
-- deadline_at timestamp with time zone
-- created_at timestamp with time zone
-- queued_at timestamp with time zone
-- ended_at timestamp with time zone
-- input json
-- result json
-- failure json

-- View stent.workers:
-- name text COLLATE "C"
-- capacity bigint
-- leased bigint
-- draining boolean
-- since_at timestamp with time zone
-- seen_at timestamp with time zone

-- Function stent.check_name(kind text, name text) returns void
--   set search_path=pg_catalog, pg_temp, standard_conforming_strings=on

-- Function stent.check_payload(payload text) returns void
--   set search_path=pg_catalog, pg_temp, standard_conforming_strings=on

-- Function stent.dispatch(function text, input json, queue text DEFAULT 'default'::text, priority bigint DEFAULT 0, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, timeout interval DEFAULT NULL::interval, deadline timestamp with time zone DEFAULT NULL::timestamp with time zone, idempotency_key text DEFAULT NULL::text, tags text[] DEFAULT NULL::text[]) returns uuid
--   set search_path=pg_catalog, pg_temp
--   security definer

-- Function stent.dispatch(function text, input jsonb, queue text DEFAULT 'default'::text, priority bigint DEFAULT 0, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, timeout interval DEFAULT NULL::interval, deadline timestamp with time zone DEFAULT NULL::timestamp with time zone, idempotency_key text DEFAULT NULL::text, tags text[] DEFAULT NULL::text[]) returns uuid
--   set search_path=pg_catalog, pg_temp
--   security definer

-- Function stent.dispatch(function text, input text DEFAULT 'null'::text, queue text DEFAULT 'default'::text, priority bigint DEFAULT 0, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, delay interval DEFAULT NULL::interval, timeout interval DEFAULT NULL::interval, deadline timestamp with time zone DEFAULT NULL::timestamp with time zone, idempotency_key text DEFAULT NULL::text, tags text[] DEFAULT NULL::text[]) returns uuid
--   set search_path=pg_catalog, pg_temp
--   security definer

-- Function stent.glance(served text[], queues text[], injected bigint, ahead bigint, OUT present bigint, OUT is_wanted boolean, OUT due_next_at bigint, OUT passes_next_at bigint) returns record
--   set enable_seqscan=off, enable_hashjoin=off, enable_mergejoin=off, jit=off, plan_cache_mode=force_generic_plan, search_path=pg_catalog, pg_temp

-- Function stent.instant_us(instant timestamp with time zone) returns bigint
--   set search_path=pg_catalog, pg_temp

-- Function stent.make_execution(id uuid, function text, queue text, priority integer, run_at bigint, delay bigint, timeout bigint, deadline bigint, deadline_delay bigint, idempotency_key text, tags text[], input text, present bigint, OUT execution uuid, OUT is_new boolean, OUT other_input boolean) returns record
--   set search_path=pg_catalog, pg_temp, enable_seqscan=off, enable_hashjoin=off, enable_mergejoin=off, plan_cache_mode=force_generic_plan, jit=off

-- Function stent.new_id(at bigint) returns uuid
--   set search_path=pg_catalog, pg_temp

-- Function stent.now_us() returns bigint
--   set search_path=pg_catalog, pg_temp

-- Function stent.span_us(span interval) returns bigint
--   set search_path=pg_catalog, pg_temp

-- Function stent.state_name(state smallint) returns text
--   set search_path=pg_catalog, pg_temp

-- Function stent.to_interval(span bigint) returns interval
--   set search_path=pg_catalog, pg_temp

-- Function stent.to_timestamptz(at bigint) returns timestamp with time zone
--   set search_path=pg_catalog, pg_temp
