-- Begins a transaction that sees one instant of the database and changes nothing. Beside what `begin` sets: a page of a list comes out of its index
-- in order, and reading stops when it is full; a bitmap or a sort would read the whole backlog first.
-- proven by tests::no_statement_reads_a_whole_table_or_sorts_a_backlog
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_sort = off;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_generic_plan
