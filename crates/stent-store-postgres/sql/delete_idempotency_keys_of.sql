-- Deletes the rows of executions that are deleted. Index on `execution`.
DELETE FROM stent.idempotency_keys
WHERE execution = ANY ($1::uuid[])
