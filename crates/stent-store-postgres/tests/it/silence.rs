//! A server that no longer answers, behind something that goes on taking what it is sent.

use std::{net::SocketAddr, time::Duration};

use stent_core::Store as _;
use stent_store_postgres::OpenError;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::config::Host;

use crate::support::{SOON, database, open, options, refusal};
use stent_conformance::requests::dispatch;

/// Listens, and passes on to a server what it is sent, up to a word: nothing is said on such a connection from then on.
async fn until(host: String, port: u16, word: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((host.as_str(), port)).await;
            let server = server.expect("the server of the test");
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            tokio::spawn(async move {
                let mut said = vec![0; 65_536];
                let mut is_silent = false;
                while let Ok(count) = from_client.read(&mut said).await
                    && count > 0
                {
                    let said = &said[..count];
                    is_silent |= said.windows(word.len()).any(|part| part == word.as_bytes());
                    if !is_silent {
                        to_server.write_all(said).await?;
                    }
                }
                to_server.shutdown().await
            });
        }
    });
    address
}

/// The URL of a database behind such a thing.
async fn silent_from(url: &str, word: &'static str) -> String {
    let config: tokio_postgres::Config = url.parse().expect("a URL");
    let (Host::Tcp(host), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
        panic!("the server of the test is reached by TCP");
    };
    let address = until(host.clone(), port, word).await;
    url.replace(&format!("{host}:{port}"), &address.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_even_roll_back_is_waited_for_no_longer() {
    let database = database();
    let url = silent_from(database.url(), "ROLLBACK").await;
    let store = options(&url).statement_timeout(Duration::from_millis(500));
    let store = store.open().await.unwrap();
    dispatch(&store, "1").await.unwrap();
    for _ in 0..3 {
        let queues = tokio::time::timeout(SOON, store.queues()).await;
        assert_eq!(queues.expect("an answer in time").unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_more_is_not_opened() {
    let database = database();
    drop(open(database.url()).await);
    for word in ["pg_is_in_recovery", "has_schema_privilege", ".installation"] {
        let url = silent_from(database.url(), word).await;
        let options = options(&url).connect_timeout(Duration::from_secs(1));
        let refused = tokio::time::timeout(SOON, refusal(options)).await;
        let refused = refused.expect("an answer in time");
        assert!(matches!(refused, OpenError::TimedOut { .. }), "{refused}");
    }
}
