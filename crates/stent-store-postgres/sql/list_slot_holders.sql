-- The tasks that hold a function's slots. Indexes: the key of `lanes`, `tasks_slot`.
SELECT tasks.id
FROM stent.lanes
JOIN stent.task_rows AS tasks ON tasks.lane = ANY (ARRAY[lanes.id * 4 + 1, lanes.id * 4 + 3]) AND tasks.holds_slot
WHERE lanes.function = $1
