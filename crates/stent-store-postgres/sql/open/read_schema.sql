-- Whether the schema is there ($1 is its name), whether anything is in it, and whether it has the table of migrations.
-- The last two tell what this role lacks: rights on the schema, and how many of its tables, and of the functions that the store calls, it may not use.
SELECT n.oid IS NOT NULL,
       EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid),
       EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = 'migrations'),
       n.oid IS NULL OR pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       (SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND NOT (
            pg_catalog.has_table_privilege(c.oid, 'SELECT') AND (c.relname = 'migrations' OR (
                pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
                AND pg_catalog.has_table_privilege(c.oid, 'DELETE'))))
       ) + (
        SELECT pg_catalog.count(*)
        FROM pg_catalog.pg_proc AS p
        WHERE p.pronamespace = n.oid AND p.proname IN ('now_us', 'glance') AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
FROM (VALUES (1)) AS one
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1
