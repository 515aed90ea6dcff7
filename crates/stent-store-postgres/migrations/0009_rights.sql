-- Schema 9: who may do what. Dispatching by SQL takes no right on a table, and no function means anything else under its caller's path.

-- The texts of these are resolved anew by whoever reads a view. PostgreSQL multiplies intervals with floats alone: an operator of somebody else's
-- for `bigint * interval`, in a schema that anybody may write, would be the nearer one, and act with the reader's rights.
-- proven by hostile::reading_a_view_runs_nothing_of_somebody_elses, hostile::every_function_has_a_search_path_of_its_own
ALTER FUNCTION stent.state_name(smallint) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION stent.to_timestamptz(bigint) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION stent.to_interval(bigint) SET search_path = pg_catalog, pg_temp;

-- It checks all that it is given before it writes, and what it writes is new: so it acts with its owner's rights, and its callers need none on the
-- tables, where they would read the arguments of others and write what nothing has checked. Only those may call it who were told so.
-- proven by hostile::only_dispatch_acts_with_its_owners_rights, roles::a_role_that_may_only_dispatch_by_sql_does_that_and_no_more
ALTER FUNCTION stent.dispatch(text, text, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) SECURITY DEFINER;
ALTER FUNCTION stent.dispatch(text, json, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) SECURITY DEFINER;
ALTER FUNCTION stent.dispatch(text, jsonb, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]) SECURITY DEFINER;
REVOKE EXECUTE ON FUNCTION
    stent.dispatch(text, text, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]),
    stent.dispatch(text, json, text, bigint, timestamptz, interval, interval, timestamptz, text, text[]),
    stent.dispatch(text, jsonb, text, bigint, timestamptz, interval, interval, timestamptz, text, text[])
FROM PUBLIC;
