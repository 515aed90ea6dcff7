-- Leased and suspended tasks of a function that hold no slot. Indexes: the key of `lanes`, then `tasks_leased` as a whole, which holds only what
-- runs, and `tasks_suspended`.
SELECT tasks.id
FROM stent.lanes
JOIN stent.task_rows AS tasks ON tasks.lease_expires_at IS NOT NULL AND tasks.lane = ANY (ARRAY[lanes.id * 4, lanes.id * 4 + 2])
WHERE lanes.function = $1
UNION ALL
SELECT tasks.id
FROM stent.lanes
JOIN stent.task_rows AS tasks ON tasks.state = 3 AND tasks.lane = ANY (ARRAY[lanes.id * 4, lanes.id * 4 + 2])
WHERE lanes.function = $1
