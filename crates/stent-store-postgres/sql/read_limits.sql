-- The limits of functions. Primary key of `function_limits`.
SELECT name, max_concurrent, releases_while_waiting, by_operator
FROM stent.function_limits
WHERE name = ANY ($1::text[])
