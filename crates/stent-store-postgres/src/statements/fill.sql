-- Tables in which every index has many rows, and which nobody analyses.
ALTER TABLE stent.task_rows SET (autovacuum_enabled = false);
ALTER TABLE stent.history SET (autovacuum_enabled = false);
INSERT INTO stent.lanes (queue, function, priority) SELECT 'default', 'f' || i, 0 FROM generate_series(1, 50) AS i;
INSERT INTO stent.task_rows (
    id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at, deadline_at, queued_at, created_at, input
)
SELECT lpad(to_hex(i), 32, '0')::uuid, caller, caller, CASE WHEN caller IS NOT NULL THEN 1 END,
       4 * (1 + i % 50) + (i % 7 = 1)::integer, i % 7 = 1, 1 + i % 7, CASE WHEN i % 7 IN (0, 2) THEN i END,
       CASE WHEN i % 7 = 1 THEN i END, CASE WHEN i % 7 = 1 THEN 'w' END, CASE WHEN i % 7 > 2 THEN i END, i, i, i, 'null'
FROM generate_series(0, 19999) AS i
CROSS JOIN LATERAL (SELECT CASE i % 2 WHEN 1 THEN lpad(to_hex(i - 1), 32, '0')::uuid END) AS child (caller);
INSERT INTO stent.history (task, position, operation, after, abandoned, ordinal, outcome_kind)
SELECT id, 1, 1, 0, false, 1, 4 FROM stent.task_rows;
INSERT INTO stent.signals (id, execution, name, payload) SELECT id, id, 's', 'null' FROM stent.task_rows;
INSERT INTO stent.signal_waits (task, position, execution, name) SELECT id, 1, id, 's' FROM stent.task_rows;
INSERT INTO stent.tags (execution, tag) SELECT id, 't' || seq % 10 FROM stent.task_rows;
INSERT INTO stent.idempotency_keys (idempotency_key, function, execution) SELECT seq::text, 'f', id FROM stent.task_rows;
