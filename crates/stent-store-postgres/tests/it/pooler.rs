//! Behind a PgBouncer in transaction mode, which knows nothing of prepared statements (before 1.21) and refuses startup options.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt;
use stent_core::{Hint, Store};
use stent_test_postgres::{Cluster, Options};

use crate::support::{cluster, open, options};
use stent_conformance::requests::{claim, dispatch, executions};

/// A pooler before a server.
struct Pooler {
    process: Child,
    port: u16,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

impl Pooler {
    /// Starts one with two connections to the server, which all of its clients take turns with.
    #[expect(
        clippy::disallowed_methods,
        reason = "another process is waited for, with a bound, which tells of nothing but its port"
    )]
    fn start(server: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = server.folder();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nuser = postgres\n",
            server.port()
        );
        let settings = settings.replace(
            "* = host=127.0.0.1",
            "postgres = host=127.0.0.1 user=postgres",
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let program = stent_test_postgres::program("pgbouncer").unwrap();
        let process = Command::new(program)
            .arg(&file)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pooler = Self { process, port };
        let mut left = 500;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            left -= 1;
            assert!(left > 0, "PgBouncer does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        pooler
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

/// Work of several programs that take turns with fewer connections of the server.
async fn work(url: &str, is_prepared: bool) {
    let opening = (0..4).map(|_| options(url).prepared(is_prepared).open());
    let stores: Vec<_> = futures_util::future::join_all(opening)
        .await
        .into_iter()
        .map(|store| store.expect("it is to open"))
        .collect();
    for _ in 0..5 {
        let rounds = stores.iter().map(|store| async {
            // The failure by which a store notices the pooler is one to try again after.
            let mut left = 20;
            while let Err(error) = dispatch(store, "1").await {
                assert!(error.is_retryable() && left > 0, "{error:?}");
                left -= 1;
            }
            claim(store, 1).await
        });
        for claimed in futures_util::future::join_all(rounds).await {
            claimed.unwrap();
        }
    }
    assert!(executions(&stores[0]).await.len() >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_works_without_prepared_statements() {
    let server = cluster(&Options::new());
    let pooler = Pooler::start(&server);
    work(&pooler.url(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_notices_a_pooler_that_loses_its_prepared_statements() {
    let server = cluster(&Options::new());
    let pooler = Pooler::start(&server);
    work(&pooler.url(), true).await;
}

/// What a client sets must not stay on the server's connection, which the next client gets.
#[tokio::test]
async fn nothing_that_is_set_stays_on_the_servers_connection() {
    let server = cluster(&Options::new());
    let pooler = Pooler::start(&server);
    let store = options(&pooler.url()).prepared(false).open().await.unwrap();
    dispatch(&store, "1").await.unwrap();
    let (client, connection) = tokio_postgres::connect(&pooler.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let running = tokio::spawn(connection);
    let rows = client
        .simple_query("SELECT setting FROM pg_settings WHERE source = 'session' AND name IN ('search_path', 'enable_seqscan', 'statement_timeout')")
        .await
        .unwrap();
    assert!(
        !rows
            .iter()
            .any(|row| matches!(row, tokio_postgres::SimpleQueryMessage::Row(_)))
    );
    running.abort();
    drop(open(&server.url("postgres")).await);
}

/// What is said through a pooler is heard by whoever listens at the server itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_behind_a_pooler_hears_others_at_the_server_itself() {
    let server = cluster(&Options::new());
    let pooler = Pooler::start(&server);
    let behind = || {
        options(&pooler.url())
            .prepared(false)
            .listen(true)
            .listen_url(&server.url("postgres"))
            .unwrap()
            .open()
    };
    let (hearing, telling) = (behind().await.unwrap(), behind().await.unwrap());
    let mut hints = hearing.hints();
    let _told = telling.hints();
    let patience = Duration::from_secs(30);
    let heard = async {
        // One may be lost while the other begins to listen.
        loop {
            dispatch(&telling, "1").await.unwrap();
            let soon = Duration::from_millis(300);
            while let Ok(Some(hint)) = tokio::time::timeout(soon, hints.next()).await {
                if matches!(hint, Hint::Due { .. }) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(patience, heard)
        .await
        .expect("heard in time");
}
