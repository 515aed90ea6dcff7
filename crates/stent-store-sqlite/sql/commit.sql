-- Ends a transaction. In `synchronous = FULL` it is on the disk afterwards.
COMMIT
