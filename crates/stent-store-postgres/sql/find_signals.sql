-- Signals by id. Primary key.
SELECT id, execution, name, seq, payload, received
FROM stent.signals
WHERE id = ANY ($1::uuid[])
