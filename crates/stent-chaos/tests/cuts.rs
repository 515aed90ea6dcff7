//! Connections that are cut at a COMMIT: before the server hears of it, after it has answered, or so that it comes late. Whoever asked does not
//! know what became of it, finds out by asking the same again, and nothing is lost or done twice.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::{net::SocketAddr, time::Duration};

use stent::{
    prelude::*,
    store::{ExecutionQuery, StateKind, TaskQuery},
    tokio_postgres::{Config, config::Host},
};
use stent_chaos::proxy::{Cut, Proxy};
use stent_test_postgres::Database;

const CUTS: [Cut; 3] = [
    Cut::Before,
    Cut::After,
    Cut::Late(Duration::from_millis(50)),
];
/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// A database that is reached through a proxy, and directly by who checks.
struct World {
    proxy: Proxy,
    stent: Stent,
    direct: Stent,
    _database: Database,
}

impl World {
    async fn new() -> Self {
        let database = stent_test_postgres::database().unwrap();
        let direct = Stent::open(&readable(database.url())).await.unwrap();
        let config: Config = database.url().parse().unwrap();
        let (Host::Tcp(host), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
            panic!("the server of the test is reached by TCP");
        };
        let server: SocketAddr = format!("{host}:{port}").parse().unwrap();
        let proxy = Proxy::start(server).await.unwrap();
        let url = database
            .url()
            .replace(&server.to_string(), &proxy.address().to_string());
        let stent = Stent::open(&readable(&url)).await.unwrap();
        Self {
            proxy,
            stent,
            direct,
            _database: database,
        }
    }

    async fn executions(&self) -> usize {
        let page = self.direct.executions(ExecutionQuery::default()).await;
        page.unwrap().executions.len()
    }

    async fn worker(&self) -> Worker {
        let functions = functions![listens, adds, adds_up];
        let worker = self.stent.worker().register(functions);
        worker
            .lease_duration(Duration::from_secs(1))
            .start()
            .await
            .unwrap()
    }
}

/// The URL with leave to use a server that waits for no disk, unencrypted, so that the proxy can read along.
fn readable(url: &str) -> String {
    let begins = if url.contains('?') { '&' } else { '?' };
    format!("{url}{begins}unsafe_durability=true&sslmode=disable")
}

/// Receives numbers until it receives 0.
#[durable]
async fn listens() -> stent::Result<Vec<u32>> {
    let mut heard = Vec::new();
    loop {
        match stent::signal("number").await? {
            0 => return Ok(heard),
            number => heard.push(number),
        }
    }
}

#[durable]
async fn adds(a: u32, b: u32) -> stent::Result<u32> {
    Ok(a + b)
}

/// One child after the other, with a step between.
#[durable]
async fn adds_up(to: u32) -> stent::Result<u32> {
    let mut sum = 0;
    for number in 1..=to {
        sum = adds(sum, number).await?;
        sum = stent::step("keep", || async { Ok::<_, stent::Error>(sum) }).await?;
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_whose_connection_is_cut_at_its_commit_is_made_once() {
    let world = World::new().await;
    for (number, cut) in CUTS.into_iter().enumerate() {
        world.proxy.cut_next(cut);
        let before = world.proxy.cuts();
        let made = world.stent.dispatch(adds(1, 2)).await.unwrap();
        assert_eq!(world.proxy.cuts(), before + 1, "{cut:?}");
        assert_eq!(made.state().await.unwrap(), StateKind::Pending);
        assert_eq!(world.executions().await, number + 1, "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_whose_connection_is_cut_at_its_commit_is_received_once() {
    let world = World::new().await;
    let listener = world.stent.dispatch(listens()).await.unwrap();
    for (number, cut) in (1_u32..).zip(CUTS) {
        world.proxy.cut_next(cut);
        let before = world.proxy.cuts();
        listener.signal("number", &number).await.unwrap();
        assert_eq!(world.proxy.cuts(), before + 1, "{cut:?}");
    }
    listener.signal("number", &0).await.unwrap();
    let _worker = world.worker().await;
    let heard = tokio::time::timeout(SOON, listener.result()).await;
    assert_eq!(heard.unwrap().unwrap(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_connection_is_cut_at_its_commit_cancels() {
    let world = World::new().await;
    for cut in CUTS {
        let execution = world.stent.dispatch(listens()).await.unwrap();
        world.proxy.cut_next(cut);
        let before = world.proxy.cuts();
        world.stent.cancel(execution.id()).await.unwrap();
        assert_eq!(world.proxy.cuts(), before + 1, "{cut:?}");
        assert_eq!(execution.state().await.unwrap(), StateKind::Cancelled);
    }
}

/// Claims, renewals and commits of one worker are cut again and again. It goes on by itself, and what it recorded is what the code says.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_commits_are_cut_loses_nothing_and_does_nothing_twice() {
    const EXECUTIONS: usize = 10;
    const CHILDREN: u32 = 5;
    let world = World::new().await;
    let calls = (0..EXECUTIONS).map(|_| adds_up(CHILDREN));
    let executions = world.stent.dispatch_all(calls).await.unwrap();
    let late = Cut::Late(Duration::from_millis(20));
    world.proxy.plan(move |commit| match commit % 7 {
        1 => Some(Cut::Before),
        3 => Some(Cut::After),
        5 => Some(late),
        _ => None,
    });
    let worker = world.worker().await;
    for execution in &executions {
        let sum = tokio::time::timeout(SOON, execution.result()).await;
        assert_eq!(sum.unwrap().unwrap(), (1..=CHILDREN).sum::<u32>());
    }
    assert!(worker.is_ready());
    assert!(world.proxy.cuts() >= 3, "{} were cut", world.proxy.cuts());
    let query = TaskQuery {
        limit: 1_000,
        ..TaskQuery::default()
    };
    let tasks = world.direct.tasks(query).await.unwrap().tasks;
    assert_eq!(tasks.len(), EXECUTIONS * (1 + CHILDREN as usize));
    let all_completed = tasks
        .iter()
        .all(|one| one.task.state.kind() == StateKind::Completed);
    assert!(all_completed);
}
