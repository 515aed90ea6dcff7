-- Deletes the reports of workers that were not heard of since an instant. Index `workers_seen`.
DELETE FROM stent.worker_reports
WHERE seen_at < $1
