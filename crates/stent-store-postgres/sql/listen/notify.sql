-- Says each of $2 on channel $1. A hint may be lost, so its commit waits for no disk.
SELECT pg_catalog.count(pg_catalog.pg_notify($1, payload))
FROM pg_catalog.unnest($2) AS payload, pg_catalog.set_config('synchronous_commit', 'off', true)
