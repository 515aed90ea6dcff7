//! Answers that arrive in pieces, as networks may cut them.

use std::{future::Future, net::SocketAddr, time::Duration};

use stent_core::{Store as _, TaskId, store::ExecutionQuery};
use stent_store_postgres::PostgresStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::config::Host;

use crate::support;
use stent_conformance::requests::{claim, dispatch};

/// Longer than anything here takes, and shorter than a store waits for an answer.
const SOON: Duration = Duration::from_secs(20);

/// Listens, and passes on to a server what it is sent; what the server answers, byte by byte.
async fn cut_up(host: String, port: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((host.as_str(), port)).await;
            let server = server.expect("the server of the test");
            client.set_nodelay(true).expect("an option of TCP");
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                while let Ok(byte) = from_server.read_u8().await {
                    to_client.write_all(&[byte]).await?;
                    tokio::task::yield_now().await;
                }
                to_client.shutdown().await
            });
        }
    });
    address
}

async fn soon<T>(what: &str, request: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(SOON, request).await;
    answer.unwrap_or_else(|_| panic!("{what} was not answered"))
}

async fn read_everything(store: &PostgresStore) -> Vec<TaskId> {
    let query = ExecutionQuery::default();
    let page = soon("a list", store.executions(query))
        .await
        .expect("a page");
    let queues = soon("a count", store.queues()).await.expect("counts");
    assert_eq!(queues.len(), page.executions.len().min(1));
    page.executions.iter().map(|one| one.root.task.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_in_pieces_is_understood() {
    let database = support::database();
    let config: tokio_postgres::Config = database.url().parse().expect("a URL");
    let (Host::Tcp(host), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
        panic!("the server of the test is reached by TCP");
    };
    let address = cut_up(host.clone(), port).await;
    let url = database
        .url()
        .replace(&format!("{host}:{port}"), &address.to_string());
    assert_ne!(url, database.url());

    let store = soon("a start", support::open(&url)).await;
    let made = soon("a dispatch", dispatch(&store, "1")).await;
    let made = made.expect("a dispatch").root();
    // Another process, which knows nothing yet of what is kept.
    let other = soon("a start", support::open(&url)).await;
    assert_eq!(read_everything(&other).await, [made]);
    let claimed = soon("a claim", claim(&other, 1)).await.expect("a claim");
    assert_eq!(claimed[0].task.id, made);
}
