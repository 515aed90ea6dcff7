-- Shows for as long as this connection lives that it listens to schema $1. Answers whose connection it is.
SELECT pg_catalog.pg_advisory_lock_shared(pg_catalog.hashtext('stent: listeners'), pg_catalog.hashtext($1)), pg_catalog.pg_backend_pid()
