-- Undoes what a request did.
ROLLBACK TO request
