-- Deletes an input that stands by itself. Primary key.
DELETE FROM inputs
WHERE task = ?1
