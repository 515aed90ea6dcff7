-- Notes that an operation waits for a signal.
INSERT INTO signal_waits (root, name, task, position)
VALUES (?1, ?2, ?3, ?4)
