-- Signals by id. Primary key.
SELECT id, execution, name, seq, payload
FROM stent.signals
WHERE id = ANY ($1::uuid[])
