-- The tasks of a lane that hold a slot. Index `tasks_slot`, which holds only those, at most as many as the limit.
SELECT id
FROM tasks INDEXED BY tasks_slot
WHERE lane = ?1 AND holds_slot = 1
