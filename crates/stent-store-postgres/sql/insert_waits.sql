-- Begins waits for signals, in order.
INSERT INTO stent.signal_waits (task, position, execution, name)
SELECT task, position, execution, name
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[]) AS made (task, position, execution, name)
