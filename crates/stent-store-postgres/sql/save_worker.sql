-- Keeps a worker's report. Primary key.
INSERT INTO stent.worker_reports (name, capacity, leased, draining, since_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (name) DO UPDATE
SET capacity = excluded.capacity, leased = excluded.leased, draining = excluded.draining, seen_at = excluded.seen_at
