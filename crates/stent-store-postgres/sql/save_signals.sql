-- Keeps whether signals were received. Primary key.
UPDATE stent.signals
SET received = saved.received
FROM unnest($1::uuid[], $2::boolean[]) AS saved (id, received)
WHERE signals.id = saved.id
