-- A task's input, wherever it stands. Primary keys.
SELECT coalesce(tasks.input, inputs.input)
FROM tasks
LEFT JOIN inputs ON inputs.task = tasks.seq
WHERE tasks.seq = ?1
