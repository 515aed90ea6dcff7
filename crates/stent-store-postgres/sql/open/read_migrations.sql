-- How many migrations were applied, and the first whose text was another than that of $1.
SELECT coalesce(max(number), 0), min(number) FILTER (WHERE digest <> sha256(convert_to(($1::text[])[number], 'UTF8')))
FROM stent.migrations
