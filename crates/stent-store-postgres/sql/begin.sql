-- Begins a transaction. Plans are the ones that read indexes, whatever is known of the tables: a table that was just made, or never analysed,
-- would else be read as a whole. They are local to the transaction, so that they hold behind a pooler too.
-- Locks are taken in one order: functions (advisory, by key), roots of executions by id, other tasks by id, reports of workers. Who changes a task of an execution holds
-- that execution's root; only a claim does not, and it waits for no lock once it holds a task.
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_generic_plan
