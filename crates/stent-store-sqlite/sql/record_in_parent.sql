-- Records that a child ended, unless its call is resolved or belongs to another child by now. Primary key.
-- proven by retry::a_retried_call_is_not_given_the_outcome_of_the_child_that_it_replaced
UPDATE history
SET ordinal = ?4, outcome_kind = ?5
WHERE task = ?1 AND position = ?2 AND child = ?3 AND outcome_kind IS NULL
