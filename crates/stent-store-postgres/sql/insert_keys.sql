-- Takes idempotency keys, in their order; one that another transaction took meanwhile is left out, once that is committed. Answers those that were taken.
-- proven by race::racing_dispatches_under_one_key_make_one_execution
INSERT INTO stent.idempotency_keys (idempotency_key, function, execution)
SELECT idempotency_key, function, execution
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS made (idempotency_key, function, execution)
ORDER BY idempotency_key, function
ON CONFLICT DO NOTHING
RETURNING execution
