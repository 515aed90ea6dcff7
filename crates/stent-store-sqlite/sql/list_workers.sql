-- Workers that reported since an instant, the newest first. Index `workers_seen`.
SELECT name, capacity, leased, draining, since, seen_at
FROM workers INDEXED BY workers_seen
WHERE seen_at >= ?1
ORDER BY seen_at DESC, name
