-- Takes the lock that all who migrate schema $1 take, if it is free, until the transaction ends.
SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('stent: migrations of ' OPERATOR(pg_catalog.||) $1, 0))
