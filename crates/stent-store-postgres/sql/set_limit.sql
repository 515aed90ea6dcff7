-- Keeps an operator's limit of a function. What code declares stays. Primary key.
INSERT INTO stent.function_limits (name, releases_while_waiting, by_operator)
VALUES ($1, false, $2)
ON CONFLICT (name) DO UPDATE
SET by_operator = excluded.by_operator
