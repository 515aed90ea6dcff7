-- Keeps what code declares of functions. What an operator set stays. Primary key.
INSERT INTO stent.function_limits (name, max_concurrent, releases_while_waiting)
SELECT name, max_concurrent, releases_while_waiting
FROM unnest($1::text[], $2::integer[], $3::boolean[]) AS declared (name, max_concurrent, releases_while_waiting)
ON CONFLICT (name) DO UPDATE
SET max_concurrent = excluded.max_concurrent, releases_while_waiting = excluded.releases_while_waiting
