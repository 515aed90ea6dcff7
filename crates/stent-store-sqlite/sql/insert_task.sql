-- Makes a task; nothing, when its id exists among its like. Its caller has looked among the others, if it is a child.
INSERT INTO tasks (
    id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at,
    token, mark, commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
    timeout, deadline, queued_at, created_at, input
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL,
    ?11, ?12, 0, 0, 0, 0, 0, 0, 0,
    ?13, ?14, ?15, ?16, ?17
)
ON CONFLICT DO NOTHING
