-- Makes lanes; those that exist are left alone. Run in a transaction of its own, before another needs them.
INSERT INTO stent.lanes (queue, function, priority)
SELECT queue, function, priority
FROM unnest($1::text[], $2::text[], $3::integer[]) AS wanted (queue, function, priority)
ON CONFLICT DO NOTHING
