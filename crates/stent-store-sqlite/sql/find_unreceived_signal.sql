-- The oldest signal of a name that an execution has not received, some left out. Index `signals_unreceived`.
SELECT id
FROM signals INDEXED BY signals_unreceived
WHERE root = ?1 AND name = ?2 AND receiver IS NULL
ORDER BY seq
LIMIT 1 OFFSET ?3
