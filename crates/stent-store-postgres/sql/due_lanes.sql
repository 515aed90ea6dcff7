-- What a claim looks at first: the time, whether a lease or a deadline passed, when the next one passes, and of each lane that is served the
-- first instant at which something is due, and the first one after now. Each instant is one probe of its index: `tasks_leased`,
-- `tasks_deadline`, `tasks_due`. From lane to lane it skips through `tasks_due`, so lanes in which nothing waits cost nothing, however many there
-- were. What passes next is looked for no further ahead than $4: an index keeps the leases of tasks that have ended until vacuum, and most of those
-- would have run out later.
WITH RECURSIVE clock AS MATERIALIZED (SELECT coalesce($3::bigint, stent.now_us()) AS now),
occupied (lane, first_at) AS (
    (
        SELECT lane, due_at
        FROM stent.task_rows AS tasks
        WHERE due_at IS NOT NULL
        ORDER BY lane, due_at
        LIMIT 1
    )
    UNION ALL
    SELECT next.lane, next.due_at
    FROM occupied
    CROSS JOIN LATERAL (
        SELECT lane, due_at
        FROM stent.task_rows AS tasks
        WHERE due_at IS NOT NULL AND tasks.lane > occupied.lane
        ORDER BY lane, due_at
        LIMIT 1
    ) AS next
)
SELECT clock.now,
       EXISTS (
           SELECT 1
           FROM stent.task_rows AS tasks
           WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= (SELECT now FROM clock)
       ) AS leases_passed,
       EXISTS (
           SELECT 1
           FROM stent.task_rows AS tasks
           WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL
             AND deadline_at <= (SELECT now FROM clock)
       ) AS deadlines_passed,
       least(
           (
               SELECT lease_expires_at
               FROM stent.task_rows AS tasks
               WHERE lease_expires_at IS NOT NULL AND lease_expires_at > (SELECT now FROM clock)
                 AND lease_expires_at <= (SELECT now FROM clock) + $4::bigint
               ORDER BY lease_expires_at
               LIMIT 1
           ),
           (
               SELECT deadline_at
               FROM stent.task_rows AS tasks
               WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL
                 AND deadline_at > (SELECT now FROM clock)
                 AND deadline_at <= (SELECT now FROM clock) + $4::bigint
               ORDER BY deadline_at
               LIMIT 1
           )
       ) AS passes_next_at,
       waiting.lane, waiting.queue, waiting.function, waiting.priority, waiting.first_at, waiting.later_at
FROM clock
LEFT JOIN LATERAL (
    SELECT occupied.lane, lanes.queue, lanes.function, lanes.priority, occupied.first_at, later.due_at AS later_at
    FROM occupied
    CROSS JOIN LATERAL (SELECT * FROM stent.lanes AS one WHERE one.id = occupied.lane / 4 OFFSET 0) AS lanes
    LEFT JOIN LATERAL (
        SELECT due_at
        FROM stent.task_rows AS tasks
        WHERE tasks.lane = occupied.lane AND due_at IS NOT NULL AND due_at > (SELECT now FROM clock)
        ORDER BY due_at
        LIMIT 1
    ) AS later ON true
    WHERE lanes.function = ANY ($1::text[]) AND ($2::text[] IS NULL OR lanes.queue = ANY ($2::text[]))
) AS waiting ON true
