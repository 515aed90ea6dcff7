WITH part AS (
    SELECT c.relkind <> 'v' AS is_table, c.relname AS name,
           '### `' || c.relname || E'`\n\n' || coalesce(obj_description(c.oid, 'pg_class'), '(nobody has said)')
           || E'\n\n| column | type | what it is |\n|---|---|---|\n'
           || string_agg(
               format(
                   '| `%s` | `%s`%s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                   CASE WHEN c.relkind = 'v' OR a.attnotnull THEN '' ELSE ' or null' END,
                   coalesce(col_description(c.oid, a.attnum), '(nobody has said)')
               ), E'\n' ORDER BY a.attnum
           ) AS text
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'stent'::regnamespace AND c.relkind IN ('r', 'v')
    GROUP BY c.oid, c.relkind, c.relname
), callable AS (
    SELECT p.proname || pg_get_function_identity_arguments(p.oid) AS name,
           format('| `%s(%s)` | %s |', p.proname, pg_get_function_identity_arguments(p.oid), coalesce(obj_description(p.oid, 'pg_proc'), '(nobody has said)')) AS text
    FROM pg_proc AS p
    WHERE p.pronamespace = 'stent'::regnamespace
)
SELECT E'## Views\n\n' || (SELECT string_agg(text, E'\n\n' ORDER BY name COLLATE "C") FROM part WHERE NOT is_table)
    || E'\n\n## Functions\n\n| function | what it does |\n|---|---|\n' || (SELECT string_agg(text, E'\n' ORDER BY name COLLATE "C") FROM callable)
    || E'\n\n## Tables\n\n' || (SELECT string_agg(text, E'\n\n' ORDER BY name COLLATE "C") FROM part WHERE is_table)
