-- Makes a child, which waits or is leased already; nothing, when its id exists among children. Whoever asks has looked among roots (`is_root`).
INSERT INTO tasks (
    id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, token, mark,
    commits, failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries,
    timeout, deadline, queued_at, created_at, input
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0, 0, 0, 0, 0, 0, ?13, ?14, ?15, ?16, ?17)
ON CONFLICT DO NOTHING
