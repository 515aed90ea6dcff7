-- Deletes the key of an execution. Primary key.
DELETE FROM idempotency_keys
WHERE root = ?1
