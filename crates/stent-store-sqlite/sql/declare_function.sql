-- Keeps what code declares of a function. An operator's limit stays.
INSERT INTO functions (name, max_concurrent, releases_while_waiting)
VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE
SET max_concurrent = excluded.max_concurrent, releases_while_waiting = excluded.releases_while_waiting
