-- An input that stands by itself. Primary key.
SELECT input
FROM inputs
WHERE task = ?1
