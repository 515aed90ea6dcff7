-- Makes a root that waits; nothing, when its id exists among roots. Whoever asks has looked among children (`is_child`).
INSERT INTO tasks (
    id, lane, holds_slot, state, due_at, token, mark, commits, failed_attempts, crashes, crashes_as_suspect,
    cancel_requested, operations, deliveries, timeout, deadline, queued_at, created_at, input
)
VALUES (?1, ?2, 0, 1, ?3, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?4, ?5, ?3, ?6, ?7)
ON CONFLICT DO NOTHING
