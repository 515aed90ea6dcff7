-- Makes a lane.
INSERT INTO lanes (queue, function, priority, holds_slot, suspect)
VALUES (?1, ?2, ?3, ?4, ?5)
RETURNING id
