-- Whether a signal was kept. Unique index.
SELECT 1
FROM signals
WHERE id = ?1
