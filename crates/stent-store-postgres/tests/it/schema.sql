WITH part AS (
    SELECT c.oid, c.relname, c.relkind, c.reloptions
    FROM pg_class AS c
    WHERE c.relnamespace = 'stent'::regnamespace AND c.relkind IN ('r', 'v')
), line AS (
    SELECT part.oid, part.relkind, a.attnum,
           '    ' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN co.collname = 'C' THEN ' COLLATE "C"' ELSE '' END
           || CASE WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END
           || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
           || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS text
    FROM part
    JOIN pg_attribute AS a ON a.attrelid = part.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = part.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation AS co ON co.oid = a.attcollation
    UNION ALL
    SELECT part.oid, part.relkind, 1000 + row_number() OVER (PARTITION BY part.oid ORDER BY con.contype DESC, pg_get_constraintdef(con.oid)),
           '    ' || pg_get_constraintdef(con.oid)
    FROM part
    JOIN pg_constraint AS con ON con.conrelid = part.oid AND con.contype IN ('c', 'p', 'u')
), table_text AS (
    SELECT 1 AS kind, part.relname AS name,
           'CREATE TABLE stent.' || part.relname || E' (\n' || string_agg(line.text, E',\n' ORDER BY line.attnum) || E'\n)'
           || coalesce(' WITH (' || array_to_string(part.reloptions, ', ') || ')', '') || ';' AS text
    FROM part
    JOIN line USING (oid)
    WHERE part.relkind = 'r'
    GROUP BY part.oid, part.relname, part.reloptions
), index_text AS (
    SELECT 2, i.indexname, i.indexdef || ';'
    FROM pg_indexes AS i
    WHERE i.schemaname = 'stent' AND NOT EXISTS (
        SELECT 1 FROM pg_constraint AS con WHERE con.connamespace = 'stent'::regnamespace AND con.conname = i.indexname
    )
), view_text AS (
    SELECT 3, part.relname, '-- View stent.' || part.relname || E':\n' || string_agg('--' || substr(line.text, 4), E'\n' ORDER BY line.attnum)
    FROM part
    JOIN line USING (oid)
    WHERE part.relkind = 'v'
    GROUP BY part.oid, part.relname
), function_text AS (
    SELECT 4, p.proname || pg_get_function_identity_arguments(p.oid),
           '-- Function stent.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ') returns ' || pg_get_function_result(p.oid)
           || coalesce(E'\n--   set ' || array_to_string(p.proconfig, ', '), '')
           || CASE WHEN p.prosecdef THEN E'\n--   security definer' ELSE '' END
    FROM pg_proc AS p
    WHERE p.pronamespace = 'stent'::regnamespace
)
SELECT string_agg(text, E'\n\n' ORDER BY kind, name COLLATE "C")
FROM (
    SELECT * FROM table_text UNION ALL SELECT * FROM index_text UNION ALL SELECT * FROM view_text UNION ALL SELECT * FROM function_text
) AS every
