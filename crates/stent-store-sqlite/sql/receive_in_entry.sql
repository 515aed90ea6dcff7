-- Gives a signal to an operation: its payload is the outcome. Primary key.
UPDATE history
SET signal = ?3, ordinal = ?4, outcome_kind = 4, outcome = (SELECT payload FROM signals WHERE id = ?3)
WHERE task = ?1 AND position = ?2
