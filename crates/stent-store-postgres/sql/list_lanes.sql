-- Lanes by their numbers. Primary key.
SELECT id, queue, function, priority
FROM stent.lanes
WHERE id = ANY ($1::integer[])
