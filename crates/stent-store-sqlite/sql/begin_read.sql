-- Begins a read: what it sees from now on is one state of the database. Takes no lock that a writer waits for.
BEGIN DEFERRED
