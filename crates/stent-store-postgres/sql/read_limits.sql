-- The limits of functions. Primary key of `functions`.
SELECT name, max_concurrent, releases_while_waiting, by_operator
FROM stent.functions
WHERE name = ANY ($1::text[])
