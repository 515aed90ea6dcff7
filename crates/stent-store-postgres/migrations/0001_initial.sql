-- The first schema. Instants are microseconds since the Unix epoch (`..._at`), spans are microseconds (`..._us`), ids are UUIDs that callers choose.
-- Codes of states, outcomes and operations are those of `stent_core::encoding`. Keys are compared by their bytes, whatever the database's collation.
-- There are no foreign keys: each would cost a look-up and a lock per row written, and rows leave only with their whole execution.
-- The schema's name is put in place of `stent` when a database is opened.

-- The database's clock.
CREATE FUNCTION stent.now_us() RETURNS bigint LANGUAGE sql VOLATILE
AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint';

-- What claiming looks at beside a task's age and class. Few, and kept in memory by every program; a row never changes or goes.
CREATE TABLE stent.lanes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    priority integer NOT NULL,
    UNIQUE (function, queue, priority)
);

-- A claim, a renewal and an end each change an indexed column, so they always write a new row and new index entries: `fillfactor` leaves room
-- for the changes that touch no index (a holder that goes on, an outcome given to a task), which then stay on their page.
-- A queue's rows die as fast as they are made: vacuum comes after a fixed number of them, however large the table is, and does not pause.
CREATE TABLE stent.task_rows (
    id uuid PRIMARY KEY,
    -- Of a child: its execution and its caller. NULL in a root, whose own id is its execution's.
    execution uuid,
    parent uuid,
    -- The order of making.
    seq bigint GENERATED ALWAYS AS IDENTITY,
    position bigint,
    -- When it may be claimed: `run_at` of a pending task, `wake_at` of a suspended one.
    due_at bigint,
    lease_expires_at bigint,
    ended_at bigint,
    token bigint NOT NULL DEFAULT 0 CHECK (token >= 0),
    mark bigint NOT NULL DEFAULT 0,
    timeout_us bigint,
    deadline_at bigint,
    queued_at bigint NOT NULL,
    created_at bigint NOT NULL,
    deliveries bigint NOT NULL DEFAULT 0,
    -- Four times `lanes.id`, plus 1 while it holds a slot, plus 2 while it is a suspect.
    lane integer NOT NULL,
    commits integer NOT NULL DEFAULT 0,
    failed_attempts integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    crashes_as_suspect integer NOT NULL DEFAULT 0,
    operations integer NOT NULL DEFAULT 0,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 7),
    -- The same as the lane's lowest bit, so that an index holds just the slots.
    holds_slot boolean NOT NULL DEFAULT false,
    cancel_requested boolean NOT NULL DEFAULT false,
    holder text COLLATE "C",
    input text NOT NULL,
    outcome text,
    CHECK ((execution IS NULL) = (parent IS NULL) AND (parent IS NULL) = (position IS NULL)),
    CHECK ((state >= 4) = (ended_at IS NOT NULL)),
    CHECK ((state = 2) = (lease_expires_at IS NOT NULL) AND (state = 2) = (holder IS NOT NULL)),
    CHECK (due_at IS NULL OR state IN (1, 3)),
    CHECK (due_at IS NOT NULL OR state <> 1),
    CHECK (NOT holds_slot OR state < 4),
    CHECK (outcome IS NULL OR state >= 4)
) WITH (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);

-- What may be claimed now or later.
CREATE INDEX tasks_due ON stent.task_rows (lane, due_at, seq) WHERE due_at IS NOT NULL;
-- Leases, the first to run out first.
CREATE INDEX tasks_leased ON stent.task_rows (lease_expires_at, seq) WHERE lease_expires_at IS NOT NULL;
-- Deadlines of what nobody runs; of what runs they are its holder's duty.
CREATE INDEX tasks_deadline ON stent.task_rows (deadline_at, seq)
    WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL;
-- What cleanup may delete.
CREATE INDEX tasks_ended ON stent.task_rows (ended_at, seq) WHERE ended_at IS NOT NULL AND parent IS NULL;
-- Dead letters, to be listed among millions that completed.
CREATE INDEX tasks_dead_letter ON stent.task_rows (id) WHERE state = 5 AND parent IS NULL;
-- Slots in use: counted here, never kept as a number.
CREATE INDEX tasks_slot ON stent.task_rows (lane) WHERE holds_slot;
-- Tasks that wait without a lease.
CREATE INDEX tasks_suspended ON stent.task_rows (lane) WHERE state = 3;
-- A task's children that have not ended, and an execution's children.
CREATE INDEX tasks_live_child ON stent.task_rows (parent, seq) WHERE parent IS NOT NULL AND ended_at IS NULL;
CREATE INDEX tasks_execution ON stent.task_rows (execution, id) WHERE execution IS NOT NULL;

-- Durable operations of tasks. An entry is written once and resolved once, on its page if there is room.
CREATE TABLE stent.history (
    task uuid NOT NULL,
    position bigint NOT NULL,
    call_key text COLLATE "C",
    operation smallint NOT NULL CHECK (operation BETWEEN 1 AND 7),
    name text COLLATE "C",
    number bigint,
    after bigint NOT NULL,
    child uuid,
    wake_at bigint,
    abandoned boolean NOT NULL,
    signal uuid,
    -- The place in the order of delivery, and how it ended; `now` and random values have no place.
    ordinal bigint,
    outcome_kind smallint CHECK (outcome_kind BETWEEN 4 AND 7),
    -- A child's outcome stands in the child's row.
    outcome text,
    PRIMARY KEY (task, position),
    CHECK (ordinal IS NULL OR outcome_kind IS NOT NULL)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE UNIQUE INDEX history_ordinal ON stent.history (task, ordinal) WHERE ordinal IS NOT NULL;

CREATE TABLE stent.idempotency_keys (
    idempotency_key text COLLATE "C" NOT NULL,
    function text COLLATE "C" NOT NULL,
    execution uuid NOT NULL UNIQUE,
    PRIMARY KEY (idempotency_key, function)
);

CREATE TABLE stent.tags (
    execution uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    PRIMARY KEY (execution, tag)
);

CREATE INDEX tags_tag ON stent.tags (tag, execution);

CREATE TABLE stent.function_limits (
    name text COLLATE "C" PRIMARY KEY,
    max_concurrent integer CHECK (max_concurrent >= 1),
    releases_while_waiting boolean NOT NULL,
    by_operator integer CHECK (by_operator >= 1)
);

-- Every signal that was accepted; one that was received stays, so that its sender may send it again.
CREATE TABLE stent.signals (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    execution uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    payload text NOT NULL,
    received boolean NOT NULL DEFAULT false
);

CREATE INDEX signals_execution ON stent.signals (execution);
CREATE INDEX signals_unreceived ON stent.signals (execution, name, seq) WHERE NOT received;

CREATE TABLE stent.signal_waits (
    task uuid NOT NULL,
    position bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    execution uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (task, position)
);

CREATE INDEX signal_waits_name ON stent.signal_waits (execution, name, seq);

-- One row for each worker, written again and again.
CREATE TABLE stent.worker_reports (
    name text COLLATE "C" PRIMARY KEY,
    capacity bigint NOT NULL,
    leased bigint NOT NULL,
    draining boolean NOT NULL,
    since_at bigint NOT NULL,
    seen_at bigint NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX workers_seen ON stent.worker_reports (seen_at DESC, name);

-- When the fleet's next cleanup is due.
CREATE TABLE stent.cleanup_schedule (
    id integer PRIMARY KEY CHECK (id = 1),
    next_at bigint NOT NULL
);
