-- Keeps when the fleet's next cleanup is due. Primary key.
INSERT INTO stent.cleanup_schedule (id, next_at)
VALUES (1, $1)
ON CONFLICT (id) DO UPDATE
SET next_at = excluded.next_at
