//! What a worker costs the server while there is nothing for it to do.

use stent_conformance::requests::{claim, dispatch};
use stent_test_postgres::Options;

use crate::support::{cluster, database, open};

const SEEN: &str = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'";

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_finds_nothing_after_one_that_found_nothing_is_one_statement() {
    let options = Options::new().set("shared_preload_libraries", "'pg_stat_statements'");
    let server = cluster(&options);
    let sql = |text: &str| server.sql("postgres", text).unwrap();
    sql("CREATE EXTENSION pg_stat_statements");
    let store = open(&server.url("postgres")).await;
    assert!(claim(&store, 1).await.unwrap().is_empty());
    sql("SELECT pg_stat_statements_reset()");
    for _ in 0..10 {
        assert!(claim(&store, 1).await.unwrap().is_empty());
    }
    assert_eq!(sql(SEEN).trim(), "10");

    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
}

/// The server logs the plan of each statement within the function.
#[tokio::test(flavor = "multi_thread")]
async fn a_glance_reads_no_table_as_a_whole_and_sorts_nothing() {
    let options = Options::new()
        .set("shared_preload_libraries", "'auto_explain'")
        .set("auto_explain.log_min_duration", "0")
        .set("auto_explain.log_nested_statements", "on");
    let server = cluster(&options);
    let store = open(&server.url("postgres")).await;
    dispatch(&store, "1").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
    for _ in 0..2 {
        assert!(claim(&store, 1).await.unwrap().is_empty());
    }
    let log = std::fs::read_to_string(server.folder().join("log")).unwrap();
    let plans: Vec<_> = log
        .split("duration: ")
        .filter(|plan| plan.contains("PL/pgSQL function stent.glance"))
        .collect();
    assert!(plans.iter().any(|plan| plan.contains("tasks_due")), "{log}");
    for plan in plans {
        assert!(!plan.contains("Seq Scan on task_rows"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
}

/// An operator before PostgreSQL's own, by which nothing is ever due.
const SHADOW: &str = "\
CREATE SCHEMA shadow;
CREATE FUNCTION shadow.never(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR shadow.<= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = shadow.never);
CREATE FUNCTION shadow.epoch(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 0.0';
CREATE OPERATOR shadow.* (LEFTARG = numeric, RIGHTARG = integer, FUNCTION = shadow.epoch);
CREATE FUNCTION shadow.epoch(double precision, integer) RETURNS double precision LANGUAGE sql AS 'SELECT 0.0::double precision';
CREATE OPERATOR shadow.* (LEFTARG = double precision, RIGHTARG = integer, FUNCTION = shadow.epoch)";

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_sees_what_is_due_whatever_its_path_finds_first() {
    let database = database();
    let maker = open(database.url()).await;
    database.sql(SHADOW).unwrap();
    let path = format!(
        "ALTER DATABASE {} SET search_path = shadow, pg_catalog",
        database.name()
    );
    database.sql(&path).unwrap();
    let worker = open(database.url()).await;
    assert!(claim(&worker, 1).await.unwrap().is_empty());
    dispatch(&maker, "1").await.unwrap();
    assert_eq!(claim(&worker, 1).await.unwrap().len(), 1);
    let now = "SELECT stent.now_us() > 1700000000000000";
    assert_eq!(database.sql(now).unwrap().trim(), "t");
}
