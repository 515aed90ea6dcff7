-- Keeps leased tasks that ended at one instant, $6, and in which nothing else has changed: what most commits do, in fewer columns than
-- `save_tasks.sql`. They are locked. Primary key.
UPDATE stent.task_rows AS tasks
SET lane = ended.lane, holds_slot = ended.lane & 1 = 1, state = ended.state, lease_expires_at = NULL, holder = NULL, ended_at = $6,
    commits = ended.commits, outcome = ended.outcome
FROM unnest($1::uuid[], $2::integer[], $3::smallint[], $4::integer[], $5::text[]) AS ended (id, lane, state, commits, outcome)
WHERE tasks.id = ended.id
