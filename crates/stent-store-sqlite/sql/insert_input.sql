-- Keeps an input that is too large to be rewritten with its task.
INSERT INTO inputs (task, input)
VALUES (?1, ?2)
