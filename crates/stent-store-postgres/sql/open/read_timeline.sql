-- Which timeline the server writes, in hexadecimal: the first eight digits in the names of its write-ahead log.
SELECT pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)
