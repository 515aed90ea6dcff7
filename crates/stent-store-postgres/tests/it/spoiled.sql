-- A task in each state, with a child in each state, histories, signals, waits, tags and keys, in place of all that was there.
DELETE FROM stent.task_rows;
DELETE FROM stent.history;
DELETE FROM stent.signals;
DELETE FROM stent.signal_waits;
DELETE FROM stent.tags;
DELETE FROM stent.idempotency_keys;
DELETE FROM stent.function_limits;
DELETE FROM stent.worker_reports;
DELETE FROM stent.cleanup_schedule;
DELETE FROM stent.lanes;
INSERT INTO stent.lanes (queue, function, priority) VALUES ('default', 'f', 0);
INSERT INTO stent.function_limits VALUES ('f', 3, false, NULL), ('g', NULL, false, 5);
INSERT INTO stent.worker_reports VALUES ('w', 4, 1, false, 1, stent.now_us());
INSERT INTO stent.cleanup_schedule VALUES (1, 5);
INSERT INTO stent.task_rows (
    id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits, operations, deliveries,
    deadline_at, queued_at, created_at, input, outcome
)
SELECT lpad(to_hex(i + 1), 32, '0')::uuid, caller, caller, CASE WHEN caller IS NOT NULL THEN 1 END,
       4 * (SELECT id FROM stent.lanes) + (i % 7 = 1)::integer, i % 7 = 1, 1 + i % 7, CASE WHEN i % 7 IN (0, 2) THEN i END,
       CASE WHEN i % 7 = 1 THEN 1 END, CASE WHEN i % 7 = 1 THEN 'w' END, CASE WHEN i % 7 > 2 THEN i END, 1, 2, 1, 3, 2,
       CASE WHEN i % 2 = 0 THEN 9000000000000000 END, i, i, '17',
       CASE WHEN i % 7 = 3 THEN '18' WHEN i % 7 IN (4, 5) THEN '{"kind":"error","message":"m"}' END
FROM generate_series(0, 27) AS i
CROSS JOIN LATERAL (SELECT CASE WHEN i >= 14 THEN lpad(to_hex(i - 13), 32, '0')::uuid END) AS child (caller);
INSERT INTO stent.history (task, position, call_key, operation, name, number, after, child, abandoned, ordinal, outcome_kind, outcome)
SELECT id, entry.position, entry.key, entry.operation, entry.name, entry.number, entry.position - 1,
       CASE WHEN entry.operation = 1 THEN lpad(to_hex(row_number() OVER (ORDER BY id) + 14), 32, '0')::uuid END, false, entry.ordinal, entry.kind, entry.outcome
FROM stent.task_rows
CROSS JOIN (
    VALUES (1, NULL, 1, 'f', 17, 1, 4, NULL), (2, 'k', 2, 's', NULL, 2, 4, '1'), (3, NULL, 5, 'go', NULL, NULL, NULL, NULL)
) AS entry (position, key, operation, name, number, ordinal, kind, outcome);
INSERT INTO stent.signals (id, execution, name, payload) SELECT id, id, 'later', '1' FROM stent.task_rows WHERE parent IS NULL;
INSERT INTO stent.signal_waits (task, position, execution, name) SELECT id, 3, id, 'go' FROM stent.task_rows WHERE parent IS NULL AND state < 4;
INSERT INTO stent.tags SELECT id, 't' FROM stent.task_rows WHERE parent IS NULL;
INSERT INTO stent.idempotency_keys SELECT 'k' || seq, 'f', id FROM stent.task_rows WHERE parent IS NULL;
