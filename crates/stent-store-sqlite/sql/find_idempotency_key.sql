-- The key of an execution. Primary key.
SELECT idempotency_key
FROM idempotency_keys
WHERE root = ?1
