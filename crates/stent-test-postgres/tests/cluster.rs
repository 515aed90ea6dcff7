//! Servers come, go, and leave nothing behind.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use stent_test_postgres::{Cluster, Options, Stop, database};

#[test]
fn a_server_keeps_its_data_when_it_is_killed_and_goes_when_it_is_dropped() {
    let cluster = Cluster::start(&Options::new()).expect("PostgreSQL is needed");
    cluster
        .sql("postgres", "CREATE TABLE t AS SELECT 7 AS x")
        .unwrap();
    cluster.restart(Stop::Immediate).unwrap();
    assert_eq!(cluster.sql("postgres", "SELECT x FROM t").unwrap(), "7");
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn each_database_is_empty_and_has_its_own_name() {
    let (one, two) = (
        database().expect("PostgreSQL is needed"),
        database().unwrap(),
    );
    assert_ne!(one.name(), two.name());
    one.sql("CREATE TABLE t ()").unwrap();
    assert_eq!(
        two.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .unwrap(),
        "0"
    );
}
