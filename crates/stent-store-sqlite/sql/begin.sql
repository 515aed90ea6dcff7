-- Begins a write. The lock is taken here and not at the first write, which could find it taken and fail half-way.
-- proven by group_commit::a_write_waits_for_a_foreign_lock_and_goes_on
BEGIN IMMEDIATE
