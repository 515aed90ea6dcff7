-- Marks where a request begins within its transaction, so that it can be undone alone.
SAVEPOINT request
