-- Schema 6: an idle worker asks by one statement whether there is anything for it.

-- Whether a claim would find something: work of these functions and queues that is due, a lease or a deadline that passed. If not, when the next of
-- each comes, sweeps no further ahead than `ahead`. It reads what a claim reads, one probe of an index for each instant; its settings are those of a
-- transaction, which it needs none of.
CREATE FUNCTION stent.glance(
    served text[], queues text[], injected bigint, ahead bigint,
    OUT present bigint, OUT is_wanted boolean, OUT due_next_at bigint, OUT passes_next_at bigint
) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan
AS $body$
BEGIN
    present := coalesce(injected, stent.now_us());
    is_wanted := EXISTS (
        SELECT 1
        FROM stent.task_rows AS tasks
        WHERE lease_expires_at IS NOT NULL AND lease_expires_at <= present
    ) OR EXISTS (
        SELECT 1
        FROM stent.task_rows AS tasks
        WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL AND deadline_at <= present
    );
    passes_next_at := least(
        (
            SELECT lease_expires_at
            FROM stent.task_rows AS tasks
            WHERE lease_expires_at IS NOT NULL AND lease_expires_at > present AND lease_expires_at <= present + ahead
            ORDER BY lease_expires_at
            LIMIT 1
        ),
        (
            SELECT deadline_at
            FROM stent.task_rows AS tasks
            WHERE deadline_at IS NOT NULL AND lease_expires_at IS NULL AND ended_at IS NULL
              AND deadline_at > present AND deadline_at <= present + ahead
            ORDER BY deadline_at
            LIMIT 1
        )
    );
    SELECT min(first.due_at) INTO due_next_at
    FROM stent.lanes
    CROSS JOIN generate_series(0, 3) AS class
    CROSS JOIN LATERAL (
        SELECT due_at
        FROM stent.task_rows AS tasks
        WHERE tasks.lane = lanes.id * 4 + class AND due_at IS NOT NULL
        ORDER BY due_at
        LIMIT 1
    ) AS first
    WHERE lanes.function = ANY (served) AND (queues IS NULL OR lanes.queue = ANY (queues));
    is_wanted := is_wanted OR coalesce(due_next_at <= present, false);
END
$body$;
COMMENT ON FUNCTION stent.glance(text[], text[], bigint, bigint) IS 'Whether a claim would find something. Not for people: it changes with any version.';
