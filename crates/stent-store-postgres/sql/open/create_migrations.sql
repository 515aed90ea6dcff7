-- Which migrations were applied, with the SHA-256 of their texts.
CREATE TABLE stent.migrations (
    number integer PRIMARY KEY CHECK (number >= 1),
    digest bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
