-- The tags of an execution, sorted. Primary key.
SELECT tag
FROM tags
WHERE root = ?1
ORDER BY tag
