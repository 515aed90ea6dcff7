-- The executions that exist under idempotency keys. The key of `idempotency_keys`, then that of `tasks`.
SELECT keys.function, keys.idempotency_key, keys.execution, tasks.input
FROM unnest($1::text[], $2::text[]) AS wanted (function, idempotency_key)
JOIN stent.idempotency_keys AS keys
    ON keys.idempotency_key = wanted.idempotency_key AND keys.function = wanted.function
JOIN stent.task_rows AS tasks ON tasks.id = keys.execution
