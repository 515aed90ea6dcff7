-- Makes roots that wait, in order; what exists under an id is left alone. Answers which were made, and when. Primary key, index `tasks_due`.
-- Where $7 gives no instant, the database's clock does, and instants are spans from then on, up to the last instant that there is.
WITH clock AS MATERIALIZED (
    SELECT coalesce($7::bigint, now) AS now, CASE WHEN $7 IS NULL THEN now ELSE 0 END AS base
    FROM (SELECT stent.now_us() AS now OFFSET 0) AS read
)
INSERT INTO stent.task_rows (id, lane, due_at, queued_at, timeout_us, deadline_at, created_at, input)
SELECT id, lane, least(clock.base + queued_at, $8), least(clock.base + queued_at, $8), timeout_us,
       -- `least` alone would make the last instant of what is missing.
       CASE WHEN deadline_at IS NOT NULL THEN least(clock.base + deadline_at, $8) END, clock.now, input
FROM clock
CROSS JOIN unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
    AS made (id, lane, queued_at, timeout_us, deadline_at, input)
ON CONFLICT (id) DO NOTHING
RETURNING id, created_at
