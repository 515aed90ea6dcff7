-- The oldest wait for a signal in an execution. Index `signal_waits_name`.
SELECT signal_waits.task, signal_waits.position, tasks.id
FROM signal_waits INDEXED BY signal_waits_name
JOIN tasks ON tasks.seq = signal_waits.task
WHERE signal_waits.root = ?1 AND signal_waits.name = ?2
ORDER BY signal_waits.seq
LIMIT 1
