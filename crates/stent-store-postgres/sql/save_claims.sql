-- Keeps leases that one claim gave; the tasks are locked. They differ in nothing but their lanes and tokens, each of which is the one after the row's.
-- Primary key.
UPDATE stent.task_rows AS tasks
SET lane = claimed.lane, holds_slot = claimed.lane & 1 = 1, state = 2, due_at = NULL, lease_expires_at = $3, holder = $4,
    token = tasks.token + 1, mark = $5, commits = 0
FROM unnest($1::uuid[], $2::integer[]) AS claimed (id, lane)
WHERE tasks.id = claimed.id
