-- Whether a claim would find something, the time, and what comes next. A transaction of its own.
SELECT present, is_wanted, due_next_at, passes_next_at
FROM stent.glance($1::text[], $2::text[], $3::bigint, $4::bigint)
