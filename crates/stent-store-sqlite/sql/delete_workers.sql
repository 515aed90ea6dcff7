-- Deletes the reports of workers that were not heard of since an instant. Index `workers_seen`.
DELETE FROM workers INDEXED BY workers_seen
WHERE seen_at < ?1
