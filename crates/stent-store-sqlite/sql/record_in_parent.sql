-- Records that a child ended, unless its call is resolved or belongs to another child by now. Primary key.
-- proven by the conformance suite: a retried call is not given the outcome of the child that it replaced
UPDATE history
SET ordinal = ?4, outcome_kind = ?5
WHERE task = ?1 AND position = ?2 AND child = ?3 AND outcome_kind IS NULL
