-- Makes roots that wait, in order; what exists under an id is left alone. Answers which were made. Primary key, index `tasks_due`.
INSERT INTO stent.tasks (id, lane, due_at, queued_at, timeout_us, deadline_at, created_at, input)
SELECT id, lane, queued_at, queued_at, timeout_us, deadline_at, $7, input
FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
    AS made (id, lane, queued_at, timeout_us, deadline_at, input)
ON CONFLICT (id) DO NOTHING
RETURNING id
