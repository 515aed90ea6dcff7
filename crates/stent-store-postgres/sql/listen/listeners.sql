-- How many other processes listen to schema $1 in this database: listeners hold a shared advisory lock for as long as they do. $2 is the
-- listener of this process, which counts not.
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_locks AS l
WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND l.pid OPERATOR(pg_catalog.<>) $2
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND l.classid = (pg_catalog.hashtext('stent: listeners')::bigint & 4294967295)::oid
  AND l.objid = (pg_catalog.hashtext($1)::bigint & 4294967295)::oid
