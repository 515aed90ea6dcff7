-- Lanes that were made after one of them. Primary key.
SELECT id, queue, function, priority, holds_slot, suspect
FROM lanes
WHERE id > ?1
ORDER BY id
