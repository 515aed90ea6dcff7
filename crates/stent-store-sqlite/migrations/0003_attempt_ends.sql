-- Schema 3: a suspended attempt ends in time.

-- When the present attempt must have ended; since it first waited without a lease.
ALTER TABLE tasks ADD COLUMN attempt_ends_at INTEGER;
