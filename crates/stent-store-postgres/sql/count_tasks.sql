-- Tasks that have not ended, by lane: all that wait with a time, all that are leased, all that are suspended, all that hold a slot; when the first is
-- due; and the time. Indexes `tasks_due`, `tasks_leased`, `tasks_suspended`, `tasks_slot`, each read as a whole; for people, not for workers.
SELECT lane, sum(waiting)::bigint, sum(running)::bigint, sum(suspended)::bigint, sum(slots)::bigint, min(first_due),
       coalesce($1::bigint, stent.now_us())
FROM (
    SELECT lane, count(*) AS waiting, 0 AS running, 0 AS suspended, 0 AS slots, min(due_at) AS first_due
    FROM stent.task_rows AS tasks WHERE due_at IS NOT NULL GROUP BY lane
    UNION ALL
    SELECT lane, 0, count(*), 0, 0, NULL
    FROM stent.task_rows AS tasks WHERE lease_expires_at IS NOT NULL GROUP BY lane
    UNION ALL
    SELECT lane, -count(due_at), 0, count(*), 0, NULL
    FROM stent.task_rows AS tasks WHERE state = 3 GROUP BY lane
    UNION ALL
    SELECT lane, 0, 0, 0, count(*), NULL
    FROM stent.task_rows AS tasks WHERE holds_slot GROUP BY lane
) AS counted
GROUP BY lane
