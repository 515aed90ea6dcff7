-- Schema 7: what runs outside the store's own transactions means the same whatever its caller's path finds first.

-- As the functions of schema 2. An operator of somebody's own, in a schema before `pg_catalog`, would else be the one that compares instants.
ALTER FUNCTION stent.glance(text[], text[], bigint, bigint) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION stent.now_us() SET search_path = pg_catalog, pg_temp;
