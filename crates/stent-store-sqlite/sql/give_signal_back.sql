-- Puts a signal back among those not received, at its old place. Unique index.
UPDATE signals
SET receiver = NULL
WHERE id = ?1
