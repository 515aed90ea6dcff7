//! Somebody who may use the same database, and what they try with others' rights.

use stent_store_postgres::OpenError;
use stent_test_postgres::Options;

use crate::support::{cluster, database, open, options, refusal};
use stent_conformance::requests::{claim, dispatch};

/// What anybody may leave in a schema that anybody may write, as `public` is before PostgreSQL 15: operators that are nearer to what the views
/// compute than those of PostgreSQL, and tables that are called like others.
const TRAPS: &str = "\
CREATE FUNCTION public.trap(bigint, interval) RETURNS interval LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'it ran as %', current_user; END $$;
CREATE OPERATOR public.* (LEFTARG = bigint, RIGHTARG = interval, FUNCTION = public.trap);
CREATE FUNCTION public.trap(bigint, integer) RETURNS bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'it ran as %', current_user; END $$;
CREATE OPERATOR public./ (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = public.trap);
CREATE OPERATOR public.% (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = public.trap);
CREATE TABLE public.task_rows ();
CREATE TABLE public.lanes ();
CREATE TABLE public.installation ();";

const VIEWS: &str = "executions execution_tags tasks dead_letters leases queues functions workers";

#[tokio::test]
async fn reading_a_view_runs_nothing_of_somebody_elses() {
    let database = database();
    let store = open(database.url()).await;
    database
        .sql("SELECT stent.dispatch('f', timeout => '1 s', tags => '{t}', queue => 'later', delay => '1 s')")
        .unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
    database.sql(TRAPS).unwrap();
    for path in ["\"$user\", public", "public, pg_catalog"] {
        for view in VIEWS.split(' ') {
            let read =
                format!("SET search_path = {path}; SELECT count(v::text) FROM stent.{view} AS v");
            database
                .sql(&read)
                .unwrap_or_else(|error| panic!("{path}: {view}: {error}"));
        }
        let makes = format!("SET search_path = {path}; SELECT stent.dispatch('f', delay => '1 s')");
        database.sql(&makes).unwrap();
    }
    // The traps are such: without a path of its own, a function steps into one.
    let bare = "ALTER FUNCTION stent.to_timestamptz(bigint) RESET search_path";
    database.sql(bare).unwrap();
    let read = database.sql("SELECT created_at FROM stent.executions");
    let trapped = read.unwrap_err().to_string();
    assert!(trapped.contains("it ran as"), "{trapped}");
}

#[tokio::test]
async fn every_function_has_a_search_path_of_its_own() {
    let database = database();
    drop(open(database.url()).await);
    let without = "\
        SELECT string_agg(p.oid::regprocedure::text, ', ')
        FROM pg_proc AS p
        WHERE p.pronamespace = 'stent'::regnamespace AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)";
    assert_eq!(database.sql(without).unwrap(), "");
}

/// What it is given never becomes a statement, and nobody else's text is run with its owner's rights.
#[tokio::test]
async fn only_dispatch_acts_with_its_owners_rights() {
    let database = database();
    drop(open(database.url()).await);
    let definers = "\
        SELECT string_agg(DISTINCT p.proname || ' ' || has_function_privilege('public', p.oid, 'EXECUTE'), ', ')
        FROM pg_proc AS p
        WHERE p.pronamespace = 'stent'::regnamespace AND p.prosecdef";
    assert_eq!(database.sql(definers).unwrap(), "dispatch false");
    let dynamic = "\
        SELECT count(*)
        FROM pg_proc AS p
        WHERE p.pronamespace = 'stent'::regnamespace AND p.prosrc ~* '\\mexecute\\M'";
    assert_eq!(database.sql(dynamic).unwrap(), "0");
}

#[tokio::test]
async fn whoever_may_not_dispatch_does_not_by_knowing_how() {
    let server = cluster(&Options::new());
    drop(options(&server.url("postgres")).open().await.unwrap());
    let make = "CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA stent TO guest";
    server.sql("postgres", make).unwrap();
    for call in [
        "stent.dispatch('f')",
        "stent.dispatch('f', '1'::json)",
        "stent.dispatch('f', '1'::jsonb)",
        "stent.make_execution(stent.new_id(0), 'f', 'q', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'no JSON', 0)",
    ] {
        let refused = server.sql("postgres", &format!("SET ROLE guest; SELECT {call}"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("permission denied"), "{call}: {refused}");
    }
}

/// Notifications have no rights: whoever may connect may send them.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_notifications_end_no_listener_and_change_nothing() {
    let database = database();
    let opened = options(database.url()).listen(true).open().await.unwrap();
    let mut hints = stent_core::Store::hints(&opened);
    let anything = stent_core::Hint::Anything;
    assert_eq!(crate::support::next(&mut hints).await, anything);
    for said in [
        "",
        "0000000000000000 due 99999999999999999999 q",
        "0000000000000000 delivered -1 x",
        "ffffffffffffffffffffffffffffffff cancel 0",
        "'; DROP SCHEMA stent CASCADE; --",
        "0000000000000000 due 1 a\u{1b}[2Jb",
    ] {
        let quoted = said.replace('\'', "''");
        database
            .sql(&format!("SELECT pg_notify('stent:stent', '{quoted}')"))
            .unwrap();
        assert_eq!(crate::support::next(&mut hints).await, anything, "{said}");
    }
    dispatch(&opened, "1").await.unwrap();
    assert_eq!(claim(&opened, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_pool_of_impossible_size_is_refused() {
    for size in ["10001", "18446744073709551615"] {
        let url = format!("postgres://127.0.0.1:1/db?pool_size={size}");
        let refused = refusal(options(&url)).await;
        assert!(matches!(refused, OpenError::PoolSize { .. }), "{refused}");
        assert!(refused.to_string().contains(size), "{refused}");
    }
}
