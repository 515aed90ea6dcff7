-- The children of executions, locked, so many at most: those of one after those of another, in the order that is asked in, as one loop over them finds
-- them. Index `tasks_execution`.
SELECT member.id, wanted.id, member.is_leased, member.operations
FROM unnest($1::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT tasks.id, tasks.lease_expires_at IS NOT NULL AS is_leased, tasks.operations
    FROM stent.task_rows AS tasks
    WHERE tasks.execution = wanted.id AND tasks.execution IS NOT NULL
    ORDER BY tasks.id
    FOR UPDATE
) AS member
LIMIT $2
