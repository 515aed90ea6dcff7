-- Adds an entry to a task's history.
INSERT INTO history (task, position, call_key, operation, name, number, after, child, wake_at, abandoned, signal, ordinal, outcome_kind, outcome)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
