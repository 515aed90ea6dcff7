-- For whom a signal is, and what it is called. Unique index.
SELECT root, name
FROM signals
WHERE id = ?1
