-- Labels executions; a tag that is given twice counts once.
INSERT INTO stent.tags (execution, tag)
SELECT execution, tag
FROM unnest($1::uuid[], $2::text[]) AS made (execution, tag)
ON CONFLICT DO NOTHING
