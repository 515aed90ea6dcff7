-- Keeps an operator's limit of a function. What code declares stays.
INSERT INTO functions (name, releases_while_waiting, by_operator)
VALUES (?1, 0, ?2)
ON CONFLICT (name) DO UPDATE
SET by_operator = excluded.by_operator
