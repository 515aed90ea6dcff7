-- Connections, the tables of the store with their indexes, and the write-ahead log.
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
       (SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relnamespace = 'stent'::regnamespace AND relkind = 'r'),
       (SELECT sum(size) FROM pg_ls_waldir())
