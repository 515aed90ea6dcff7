-- Lanes by their names. The key of `lanes`.
SELECT lanes.id, lanes.queue, lanes.function, lanes.priority
FROM unnest($1::text[], $2::text[], $3::integer[]) AS wanted (queue, function, priority)
JOIN stent.lanes
    ON lanes.function = wanted.function AND lanes.queue = wanted.queue AND lanes.priority = wanted.priority
