-- Slots that are held, by function and lane; asked under the functions' locks. From lane to lane it skips through `tasks_slot`, so only lanes with a
-- slot that is held are looked at; then the primary key of `lanes`, and `tasks_slot` again.
WITH RECURSIVE holding (lane) AS (
    (
        SELECT lane
        FROM stent.task_rows AS tasks
        WHERE tasks.holds_slot
        ORDER BY lane
        LIMIT 1
    )
    UNION ALL
    SELECT next.lane
    FROM holding
    CROSS JOIN LATERAL (
        SELECT lane
        FROM stent.task_rows AS tasks
        WHERE tasks.holds_slot AND tasks.lane > holding.lane
        ORDER BY lane
        LIMIT 1
    ) AS next
)
SELECT lanes.function,
       (
           SELECT count(*)
           FROM stent.task_rows AS tasks
           WHERE tasks.lane = holding.lane AND tasks.holds_slot
       ) AS held
FROM holding
CROSS JOIN LATERAL (SELECT * FROM stent.lanes AS one WHERE one.id = holding.lane / 4 OFFSET 0) AS lanes
WHERE lanes.function = ANY ($1::text[])
