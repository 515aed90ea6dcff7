-- Keeps what changes of a task while its holder goes on, or as it is given an outcome while it is leased. Touches no index.
UPDATE tasks
SET commits = ?2, operations = ?3, deliveries = ?4
WHERE seq = ?1
