-- Signals that nobody has received, by execution and name, the oldest first. Index `signals_unreceived`.
SELECT signals.execution, signals.name, signals.seq, signals.id, signals.payload
FROM unnest($1::uuid[], $2::text[]) AS wanted (execution, name)
JOIN stent.signals
    ON signals.execution = wanted.execution AND signals.name = wanted.name AND NOT signals.received
ORDER BY signals.seq
