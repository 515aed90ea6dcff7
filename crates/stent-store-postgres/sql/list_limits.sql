-- Every function's limits. The whole table, which has one row per function.
SELECT name, max_concurrent, releases_while_waiting, by_operator
FROM stent.function_limits
ORDER BY name
