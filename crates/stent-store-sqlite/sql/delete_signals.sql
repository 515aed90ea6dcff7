-- Deletes the signals of an execution. Index `signals_root`.
DELETE FROM signals
WHERE root = ?1
