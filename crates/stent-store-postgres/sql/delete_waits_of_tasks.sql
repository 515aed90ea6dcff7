-- Ends everything that tasks wait for. Primary key.
DELETE FROM stent.signal_waits
WHERE task = ANY ($1::uuid[])
