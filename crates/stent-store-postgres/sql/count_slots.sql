-- Slots that are held, by function; asked under the functions' locks. Indexes: the key of `lanes`, `tasks_slot`.
SELECT lanes.function, count(*)
FROM stent.lanes
CROSS JOIN LATERAL (
    SELECT 1
    FROM stent.task_rows AS tasks
    WHERE tasks.lane = ANY (ARRAY[lanes.id * 4 + 1, lanes.id * 4 + 3]) AND tasks.holds_slot
) AS held
WHERE lanes.function = ANY ($1::text[])
GROUP BY lanes.function
