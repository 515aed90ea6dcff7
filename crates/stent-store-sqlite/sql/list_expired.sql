-- Roots that ended before an instant, in the order of their ends, behind one of them. Index `tasks_ended`, which holds ended roots only.
SELECT seq, id, operations, ended_at
FROM tasks INDEXED BY tasks_ended
WHERE ended_at < ?1 AND ended_at IS NOT NULL AND parent IS NULL AND (ended_at, seq) > (?2, ?3)
ORDER BY ended_at, seq
LIMIT ?4
