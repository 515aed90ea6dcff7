-- Records how an operation ended, and its place in the order of delivery. Primary key.
UPDATE history
SET ordinal = ?3, outcome_kind = ?4, outcome = ?5
WHERE task = ?1 AND position = ?2
