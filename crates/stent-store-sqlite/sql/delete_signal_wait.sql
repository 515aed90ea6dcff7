-- Forgets one wait for a signal. Unique index.
DELETE FROM signal_waits
WHERE task = ?1 AND position = ?2
