-- Schema 2: leases go by the machine's boot clock.

-- The machine's start: its id, and when it was by the wall clock. Lease times count from it.
CREATE TABLE boot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id TEXT NOT NULL,
    booted_at INTEGER NOT NULL
) STRICT;
