-- Workers that reported within a span before now, the newest first. Index `workers_seen`.
SELECT name, capacity, leased, draining, since_at, seen_at
FROM stent.worker_reports
WHERE seen_at >= coalesce($1::bigint, stent.now_us()) - $2::bigint
ORDER BY seen_at DESC, name
