//! Opening: who makes the schema, and what is left as it is.

use std::time::Duration;

use stent_store_postgres::OpenError;
use stent_test_postgres::{Options, Stop};

use crate::support::{
    SOON, client, cluster, database, open, options, refusal, sees_one_waiting, whole,
};
use stent_conformance::requests::{claim, dispatch, executions};

#[tokio::test(flavor = "multi_thread")]
async fn ten_that_start_at_once_on_an_empty_database_all_come_up() {
    let database = database();
    let opening = (0..10).map(|_| options(database.url()).open());
    let stores = futures_util::future::join_all(opening).await;
    for store in stores {
        let store = store.expect("it is to open");
        dispatch(&store, "1").await.unwrap();
    }
    let applied = database
        .sql("SELECT count(*) FROM stent.migrations")
        .unwrap();
    assert_eq!(applied, migrations().to_string());
}

#[tokio::test]
async fn several_schemas_of_one_database_know_nothing_of_each_other() {
    let database = database();
    let one = open(database.url()).await;
    let other = options(database.url())
        .schema(r#"an "odd" ü name"#)
        .unwrap();
    let other = other.open().await.unwrap();
    let execution = dispatch(&one, "1").await.unwrap();
    assert_eq!(executions(&one).await, [execution]);
    assert!(executions(&other).await.is_empty());
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let database = database();
    drop(open(database.url()).await);
    let add = "INSERT INTO stent.migrations (number, digest) SELECT 99, digest FROM stent.migrations LIMIT 1";
    database.sql(add).unwrap();
    let refused = refusal(options(database.url())).await;
    assert!(
        matches!(refused, OpenError::NewerSchema { found: 99, .. }),
        "{refused}"
    );
    assert_eq!(
        database
            .sql("SELECT count(*) FROM stent.migrations")
            .unwrap(),
        (migrations() + 1).to_string()
    );
}

/// How many migrations there are.
fn migrations() -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn a_migration_that_was_changed_is_refused() {
    let database = database();
    drop(open(database.url()).await);
    database
        .sql("UPDATE stent.migrations SET digest = ''")
        .unwrap();
    let refused = refusal(options(database.url())).await;
    assert!(
        matches!(refused, OpenError::ChangedMigration { number: 1, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_and_left_as_it_is() {
    let database = database();
    database
        .sql("CREATE SCHEMA stent; CREATE TABLE stent.theirs ()")
        .unwrap();
    let refused = refusal(options(database.url())).await;
    assert!(
        matches!(refused, OpenError::AnotherProgram { .. }),
        "{refused}"
    );
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'stent'";
    assert_eq!(database.sql(tables).unwrap(), "1");
}

#[tokio::test]
async fn without_leave_to_migrate_nothing_is_made() {
    let database = database();
    let refused = refusal(options(database.url()).migrate(false)).await;
    assert!(
        matches!(refused, OpenError::OlderSchema { found: 0, .. }),
        "{refused}"
    );
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'stent'";
    assert_eq!(database.sql(schemas).unwrap(), "0");
    drop(open(database.url()).await);
    assert!(options(database.url()).migrate(false).open().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_outlives_its_server() {
    let server = cluster(&Options::new());
    let store = open(&server.url("postgres")).await;
    let execution = dispatch(&store, "1").await.unwrap();
    server.stop(Stop::Immediate).unwrap();
    let failed = dispatch(&store, "2").await.unwrap_err();
    assert!(failed.is_retryable(), "{failed:?}");
    server.begin().unwrap();
    let mut left = 20;
    while let Err(error) = dispatch(&store, "3").await {
        assert!(error.is_retryable() && left > 0, "{error:?}");
        left -= 1;
    }
    assert!(executions(&store).await.contains(&execution));
}

/// Takes back what the migrations after the first have made.
const BACK_TO_THE_FIRST: &str = "\
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT 'stent.' || relname AS name FROM pg_class WHERE relnamespace = 'stent'::regnamespace AND relkind = 'v' LOOP
        EXECUTE 'DROP VIEW IF EXISTS ' || part.name || ' CASCADE';
    END LOOP;
    FOR part IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'stent'::regnamespace AND proname <> 'now_us' LOOP
        EXECUTE 'DROP FUNCTION ' || part.name;
    END LOOP;
    DROP TABLE stent.installation;
    ALTER TABLE stent.task_rows DROP COLUMN attempt_ends_at;
    DELETE FROM stent.migrations WHERE number > 1;
END $$";

#[tokio::test]
async fn a_schema_of_the_first_version_is_brought_up_to_date_with_what_it_holds() {
    let database = database();
    let execution = dispatch(&open(database.url()).await, "1").await.unwrap();
    database
        .sql(&format!(
            "SET client_min_messages = warning; {BACK_TO_THE_FIRST}"
        ))
        .unwrap();
    let refused = refusal(options(database.url()).migrate(false)).await;
    assert!(
        matches!(refused, OpenError::OlderSchema { found: 1, .. }),
        "{refused}"
    );
    let store = open(database.url()).await;
    database.sql("SELECT stent.dispatch('f', '2')").unwrap();
    assert!(executions(&store).await.contains(&execution));
    assert_eq!(claim(&store, 10).await.unwrap().len(), 2);
    let seen = database
        .sql("SELECT count(*) FROM stent.leases JOIN stent.executions ON id = execution_id")
        .unwrap();
    assert_eq!(seen, "2");
}

/// The server ends the connection in the middle of the third migration, when the first two are done.
const KILLS_ITSELF: &str = "\
CREATE FUNCTION public.killed() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END $$;
CREATE EVENT TRIGGER killing ON ddl_command_end WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION public.killed()";

#[tokio::test]
async fn migrations_that_are_killed_half_way_are_done_by_whoever_opens_next() {
    let database = database();
    database.sql(KILLS_ITSELF).unwrap();
    refusal(options(database.url())).await;
    let left = "SELECT count(*), to_regclass('stent.tasks') IS NULL FROM stent.migrations";
    assert_eq!(database.sql(left).unwrap(), "2|t");

    database.sql("DROP EVENT TRIGGER killing").unwrap();
    let store = open(database.url()).await;
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_timeout_that_no_transaction_could_begin_with_is_refused() {
    let database = database();
    let with = |parameter: &str| format!("{}?{parameter}", database.url());
    let too_long = Duration::from_millis(1 << 31);
    for refused in [
        options(&with("statement_timeout=1000h")),
        options(&with("lock_timeout=2147483648")),
        options(database.url()).statement_timeout(Duration::ZERO),
        options(database.url()).statement_timeout(Duration::from_micros(500)),
        options(database.url()).lock_timeout(Duration::ZERO),
        options(database.url()).lock_timeout(too_long),
    ] {
        let refused = refusal(refused).await;
        let is_named = whole(&refused).contains("_timeout` cannot be");
        assert!(is_named, "{refused}");
    }
    let longest = options(&with(
        "statement_timeout=2147483647&lock_timeout=2147483647",
    ));
    dispatch(&longest.open().await.unwrap(), "1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_waits_for_a_table_keeps_nobody_else_from_it() {
    let database = database();
    drop(open(database.url()).await);
    database
        .sql(&format!(
            "SET client_min_messages = warning; {BACK_TO_THE_FIRST}"
        ))
        .unwrap();
    let (report, watch) = (client(&database).await, client(&database).await);
    let reads = "BEGIN; LOCK TABLE stent.task_rows IN ACCESS SHARE MODE";
    report.batch_execute(reads).await.unwrap();
    let opening = tokio::spawn(options(database.url()).open());
    sees_one_waiting(&watch).await;
    // As a worker that goes on meanwhile.
    let works = watch.batch_execute("SELECT FROM stent.task_rows FOR UPDATE");
    tokio::time::timeout(SOON, works).await.unwrap().unwrap();
    assert!(!opening.is_finished());
    report.batch_execute("COMMIT").await.unwrap();
    let opened = tokio::time::timeout(SOON, opening).await.unwrap();
    dispatch(&opened.unwrap().unwrap(), "1").await.unwrap();
}
