-- Locks functions until the transaction's end, in the order of their keys: 0 against a change of their limit, 1 alone if they are limited, 2 alone.
-- $3 is the schema. Index: primary key of `function_limits`. The first lock of every transaction that takes it.
-- proven by race::racing_claims_never_exceed_a_limit
SELECT name, alone,
       CASE WHEN alone THEN pg_advisory_xact_lock(key)::text ELSE pg_advisory_xact_lock_shared(key)::text END
FROM (
    SELECT wanted.name,
           hashtextextended($3::text || '.' || wanted.name, 0) AS key,
           wanted.mode = 2 OR wanted.mode = 1 AND EXISTS (
               SELECT 1
               FROM stent.function_limits AS limits
               WHERE limits.name = wanted.name
                 AND (limits.max_concurrent IS NOT NULL OR limits.by_operator IS NOT NULL)
           ) AS alone
    FROM unnest($1::text[], $2::smallint[]) AS wanted (name, mode)
    ORDER BY key
    OFFSET 0
) AS wanted
