-- Schema 5: a suspended attempt ends in time.

ALTER TABLE stent.task_rows ADD COLUMN attempt_ends_at bigint;
COMMENT ON COLUMN stent.task_rows.attempt_ends_at IS 'Microseconds since 1970. When the present attempt must have ended; since it first waited without a lease.';
