-- Forgets all waits of a task for signals. Unique index.
DELETE FROM signal_waits
WHERE task = ?1
