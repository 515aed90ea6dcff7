-- Every function that was declared or limited. A scan of a table that is small by its nature.
SELECT name, max_concurrent, releases_while_waiting, by_operator
FROM functions
