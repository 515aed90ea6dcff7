//! What people get wrong, and what servers go through: each has an answer that says what to do, and shows no password.

use std::time::Duration;

use stent_core::{Store as _, StoreError};
use stent_store_postgres::{OpenError, PostgresOptions};
use stent_test_postgres::{Cluster, Options};

use crate::{
    logs::Said,
    support::{SOON, cluster, database, open, options, refusal, whole},
};
use stent_conformance::requests::{claim, dispatch, executions};

const PASSWORD: &str = "correct-horse";

/// A server that asks for passwords, with the user `it`.
fn guarded() -> Cluster {
    let server = cluster(&Options::new());
    server
        .sql(
            "postgres",
            &format!("CREATE ROLE it LOGIN PASSWORD '{PASSWORD}'"),
        )
        .unwrap();
    let rules = "host all it 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.folder().join("data/pg_hba.conf"), rules).unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    server
}

fn url(server: &Cluster, password: &str, database: &str) -> String {
    let with_password = format!("it:{password}@");
    server.url(database).replace("postgres@", &with_password)
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let server = guarded();
    let refused = refusal(options(&url(&server, "battery-staple", "postgres"))).await;
    assert!(
        matches!(&refused, OpenError::Authentication { user, .. } if user == "it"),
        "{refused:?}"
    );
    assert!(!whole(&refused).contains("battery"), "{}", whole(&refused));
    assert!(!format!("{:?}", options(&url(&server, PASSWORD, "postgres"))).contains(PASSWORD));
}

/// Opening, working, losing every connection, being let in no more, and listening in vain: whatever is said of it, at any level.
#[tokio::test]
async fn no_line_of_the_log_shows_a_password() {
    const OTHER: &str = "battery-staple";
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(said.clone());
    let server = guarded();
    let grant = "GRANT CREATE ON DATABASE postgres TO it";
    server.sql("postgres", grant).unwrap();
    let opened = options(&url(&server, PASSWORD, "postgres"))
        .listen(true)
        .listen_url(&url(&server, OTHER, "postgres"));
    let opened = opened.unwrap();
    assert!(!format!("{opened:?}").contains(OTHER));
    let store = opened.open().await.unwrap();
    let _hints = store.hints();
    dispatch(&store, "1").await.unwrap();
    for shut_out in [
        "SELECT 1",
        "ALTER ROLE it PASSWORD 'another'",
        "ALTER ROLE it NOLOGIN",
    ] {
        server.sql("postgres", shut_out).unwrap();
        let ends =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'it'";
        server.sql("postgres", ends).unwrap();
        for _ in 0..3 {
            if let Err(failed) = dispatch(&store, "2").await {
                assert!(!whole(&failed).contains(PASSWORD), "{}", whole(&failed));
            }
        }
    }
    let listens_in_vain = async {
        while !said.text().contains("cannot listen") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, listens_in_vain).await.unwrap();
    for password in [PASSWORD, OTHER] {
        assert!(!said.text().contains(password), "{}", said.text());
        assert!(!format!("{store:?}").contains(password));
    }
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let server = guarded();
    let refused = refusal(options(&url(&server, PASSWORD, "nowhere"))).await;
    assert!(
        matches!(&refused, OpenError::MissingDatabase { database, .. } if database == "nowhere"),
        "{refused:?}"
    );
    assert!(!whole(&refused).contains(PASSWORD));
}

#[tokio::test]
async fn a_host_that_is_unknown_or_refuses_is_named() {
    for at in ["nowhere.invalid:5432", "127.0.0.1:1"] {
        let refused = refusal(options(&format!("postgres://it:{PASSWORD}@{at}/db"))).await;
        assert!(
            matches!(refused, OpenError::Unreachable { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains(at), "{refused}");
        assert!(!whole(&refused).contains(PASSWORD), "{}", whole(&refused));
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://it@{}/db", silent.local_addr().unwrap());
    let options = options(&url).connect_timeout(Duration::from_millis(100));
    let refused = refusal(options).await;
    assert!(refused.is_retryable(), "{refused:?}");
}

#[tokio::test]
async fn an_encoding_that_cannot_hold_everything_is_refused() {
    let server = cluster(&Options::new().encoding("LATIN1"));
    let refused = refusal(options(&server.url("postgres"))).await;
    assert!(
        matches!(&refused, OpenError::Encoding { found } if found == "LATIN1"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_that_loses_acknowledged_work_is_used_only_when_that_is_wanted() {
    let server = cluster(&Options::new());
    let careful = PostgresOptions::from_url(&server.url("postgres")).unwrap();
    let refused = refusal(careful).await;
    assert!(refused.to_string().contains("fsync"), "{refused}");
}

#[tokio::test]
async fn without_a_connection_left_both_opening_and_requests_say_so() {
    let server = cluster(
        &Options::new()
            .set("max_connections", "3")
            .set("superuser_reserved_connections", "0")
            .set("max_wal_senders", "0"),
    );
    let store = open(&server.url("postgres")).await;
    let mut taken = Vec::new();
    while let Ok((client, connection)) =
        tokio_postgres::connect(&server.url("postgres"), tokio_postgres::NoTls).await
    {
        taken.push((client, tokio::spawn(connection)));
    }
    let refused = refusal(options(&server.url("postgres"))).await;
    assert!(
        matches!(refused, OpenError::TooManyConnections { .. }),
        "{refused:?}"
    );
    assert!(refused.is_retryable());
    let failed = dispatch(&store, "1").await;
    assert!(failed.is_ok() || failed.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_standby_is_refused_as_read_only() {
    let server = cluster(&Options::new());
    drop(open(&server.url("postgres")).await);
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart(stent_test_postgres::Stop::Fast).unwrap();
    let refused = refusal(options(&server.url("postgres"))).await;
    assert!(matches!(refused, OpenError::ReadOnly { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_fails_as_retryable() {
    let database = database();
    let options = options(database.url()).lock_timeout(Duration::from_millis(50));
    let store = options.open().await.unwrap();
    let (other, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let running = tokio::spawn(connection);
    other
        .batch_execute("BEGIN; LOCK TABLE stent.task_rows IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let failed = dispatch(&store, "1").await.unwrap_err();
    assert!(matches!(failed, StoreError::Retryable { .. }), "{failed:?}");
    other.batch_execute("ROLLBACK").await.unwrap();
    dispatch(&store, "1").await.unwrap();
    running.abort();
}

#[tokio::test]
async fn a_schema_that_goes_under_an_open_store_is_told() {
    let database = database();
    let store = open(database.url()).await;
    dispatch(&store, "1").await.unwrap();
    database
        .sql("SET client_min_messages = warning; DROP SCHEMA stent CASCADE")
        .unwrap();
    let failed = dispatch(&store, "1").await.unwrap_err();
    assert!(matches!(failed, StoreError::Final { .. }), "{failed:?}");
}

/// Answers as a server does whose disk is full: without a word to anyone else.
const FULL: &str = "\
CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file: No space left on device'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON stent.task_rows EXECUTE FUNCTION public.full_disk()";

#[tokio::test]
async fn a_full_disk_is_told_as_such_and_what_was_there_goes_on_once_there_is_room() {
    let database = database();
    let store = open(database.url()).await;
    let before = dispatch(&store, "1").await.unwrap();
    database.sql(FULL).unwrap();
    for refused in [
        dispatch(&store, "2").await.map(drop),
        claim(&store, 1).await.map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.is_retryable(), "{refused:?}");
        assert!(refused.to_string().contains("no room left"), "{refused}");
    }
    assert_eq!(executions(&store).await, [before]);

    database
        .sql("DROP TRIGGER full_disk ON stent.task_rows")
        .unwrap();
    dispatch(&store, "2").await.unwrap();
    assert_eq!(claim(&store, 10).await.unwrap().len(), 2);
}
