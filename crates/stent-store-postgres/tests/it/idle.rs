//! What a worker costs the server while there is nothing for it to do.

use stent_conformance::requests::{claim, dispatch};
use stent_test_postgres::Options;

use crate::support::{cluster, open};

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
