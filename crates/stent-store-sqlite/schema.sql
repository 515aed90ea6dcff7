-- What all migrations make together. A test compares it; `STENT_BLESS=1 cargo test -p stent-store-sqlite` writes it anew.

CREATE TABLE boot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id TEXT NOT NULL,
    booted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE cleanup_schedule (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next_at INTEGER NOT NULL
) STRICT;

CREATE TABLE functions (
    name TEXT PRIMARY KEY,
    max_concurrent INTEGER CHECK (max_concurrent >= 1),
    releases_while_waiting INTEGER NOT NULL CHECK (releases_while_waiting IN (0, 1)),
    by_operator INTEGER CHECK (by_operator >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    task INTEGER NOT NULL,
    position INTEGER NOT NULL,
    call_key TEXT,
    operation INTEGER NOT NULL CHECK (operation BETWEEN 1 AND 7),
    name TEXT,
    number INTEGER,
    after INTEGER NOT NULL,
    child BLOB,
    wake_at INTEGER,
    abandoned INTEGER NOT NULL CHECK (abandoned IN (0, 1)),
    signal BLOB,
    -- The place in the order of delivery, and how it ended; `now` and random values have no place.
    ordinal INTEGER,
    outcome_kind INTEGER CHECK (outcome_kind BETWEEN 4 AND 7),
    outcome TEXT,
    PRIMARY KEY (task, position),
    CHECK (ordinal IS NULL OR outcome_kind IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    root INTEGER PRIMARY KEY,
    function TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    UNIQUE (idempotency_key, function)
) STRICT;

CREATE TABLE inputs (
    task INTEGER PRIMARY KEY,
    input TEXT NOT NULL
) STRICT;

CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    function TEXT NOT NULL,
    priority INTEGER NOT NULL,
    holds_slot INTEGER NOT NULL CHECK (holds_slot IN (0, 1)),
    suspect INTEGER NOT NULL CHECK (suspect IN (0, 1)),
    UNIQUE (queue, function, priority, holds_slot, suspect)
) STRICT;

CREATE TABLE signal_waits (
    seq INTEGER PRIMARY KEY,
    root INTEGER NOT NULL,
    name TEXT NOT NULL,
    task INTEGER NOT NULL,
    position INTEGER NOT NULL,
    UNIQUE (task, position)
) STRICT;

CREATE TABLE signals (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    root INTEGER NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    receiver INTEGER
) STRICT;

CREATE TABLE tags (
    root INTEGER NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (root, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    -- Of a child: its execution and its caller. NULL in a root, whose own id is its execution's.
    execution BLOB,
    parent BLOB,
    position INTEGER,
    lane INTEGER NOT NULL,
    -- The same as the lane's, so that an index holds just the slots.
    holds_slot INTEGER NOT NULL CHECK (holds_slot IN (0, 1)),
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 7),
    -- When it may be claimed: `run_at` of a pending task, `wake_at` of a suspended one.
    due_at INTEGER,
    lease_expires_at INTEGER,
    holder TEXT,
    ended_at INTEGER,
    token INTEGER NOT NULL CHECK (token >= 0),
    mark INTEGER NOT NULL,
    commits INTEGER NOT NULL,
    failed_attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    crashes_as_suspect INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    operations INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    timeout INTEGER,
    deadline INTEGER,
    queued_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    input TEXT,
    outcome TEXT, attempt_ends_at INTEGER,
    CHECK ((execution IS NULL) = (parent IS NULL) AND (parent IS NULL) = (position IS NULL)),
    CHECK ((state >= 4) = (ended_at IS NOT NULL)),
    CHECK ((state = 2) = (lease_expires_at IS NOT NULL) AND (state = 2) = (holder IS NOT NULL)),
    CHECK (due_at IS NULL OR state IN (1, 3)),
    CHECK (due_at IS NOT NULL OR state <> 1),
    CHECK (holds_slot = 0 OR state < 4),
    CHECK (outcome IS NULL OR state >= 4)
) STRICT;

CREATE TABLE workers (
    name TEXT PRIMARY KEY,
    capacity INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    draining INTEGER NOT NULL CHECK (draining IN (0, 1)),
    since INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX history_ordinal ON history (task, ordinal) WHERE ordinal IS NOT NULL;

CREATE INDEX signal_waits_name ON signal_waits (root, name);

CREATE INDEX signals_root ON signals (root);

CREATE INDEX signals_unreceived ON signals (root, name) WHERE receiver IS NULL;

CREATE INDEX tags_tag ON tags (tag, root);

CREATE UNIQUE INDEX tasks_child ON tasks (id) WHERE parent IS NOT NULL;

CREATE INDEX tasks_dead_letter ON tasks (id) WHERE state = 5 AND parent IS NULL;

CREATE INDEX tasks_deadline ON tasks (deadline) WHERE deadline IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL;

CREATE INDEX tasks_due ON tasks (lane, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX tasks_ended ON tasks (ended_at) WHERE ended_at IS NOT NULL AND parent IS NULL;

CREATE INDEX tasks_execution ON tasks (execution, id) WHERE execution IS NOT NULL;

CREATE INDEX tasks_leased ON tasks (lease_expires_at) WHERE lease_expires_at IS NOT NULL;

CREATE INDEX tasks_live_child ON tasks (parent) WHERE parent IS NOT NULL AND ended_at IS NULL;

CREATE UNIQUE INDEX tasks_root ON tasks (id) WHERE parent IS NULL;

CREATE INDEX tasks_slot ON tasks (lane) WHERE holds_slot = 1;

CREATE INDEX tasks_suspended ON tasks (lane, due_at) WHERE state = 3;

CREATE INDEX workers_seen ON workers (seen_at DESC, name);
