-- Operations that wait for signals, by execution and name, the oldest first. Index `signal_waits_name`.
SELECT signal_waits.execution, signal_waits.name, signal_waits.seq, signal_waits.task, signal_waits.position
FROM unnest($1::uuid[], $2::text[]) AS wanted (execution, name)
JOIN stent.signal_waits ON signal_waits.execution = wanted.execution AND signal_waits.name = wanted.name
ORDER BY signal_waits.seq
