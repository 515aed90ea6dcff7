//! Workers on a real PostgreSQL: the same code as on SQLite, opened by another URL.

#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod fleet;
#[allow(dead_code, reason = "the other test that it is of uses the rest")]
#[path = "../programs/process.rs"]
mod process;
mod transactions;
mod views;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{CancelAnswer, prelude::*, store::StateKind};
use stent_test_postgres::{Cluster, Database, Options, Stop};

#[derive(Debug, Default)]
struct Log {
    running: AtomicU32,
    at_once: AtomicU32,
    attempts: AtomicU32,
    steps: AtomicU32,
}

#[durable]
async fn double(n: u32) -> stent::Result<u32> {
    Ok(2 * n)
}

#[durable(retry(max_attempts = 3, initial_delay = "10ms"))]
async fn flaky(#[state] log: Arc<Log>) -> Result<u32, std::io::Error> {
    match log.attempts.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Err(std::io::Error::other("not yet")),
        attempts => Ok(attempts + 1),
    }
}

/// Uses everything that a body may.
#[durable]
async fn everything(name: String, #[state] log: Arc<Log>) -> stent::Result<String> {
    let doubled = double.map(0..100).await?;
    let sum: u32 = doubled.into_iter().sum();
    let attempts = flaky().await?;
    stent::sleep(Duration::from_millis(20)).await?;
    let step = stent::step("once", || async {
        Ok::<_, std::io::Error>(log.steps.fetch_add(1, Ordering::SeqCst) + 1)
    })
    .await?;
    let word: String = stent::signal("word").await?;
    Ok(format!("{name}: {sum}, {attempts}, {step}, {word}"))
}

#[durable(max_concurrent = 1)]
async fn one_at_a_time(#[state] log: Arc<Log>) -> stent::Result<()> {
    let running = log.running.fetch_add(1, Ordering::SeqCst) + 1;
    log.at_once.fetch_max(running, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2)).await;
    log.running.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

/// Some calls, one after the other.
#[durable]
async fn calls_on_and_on(n: u32) -> stent::Result<u32> {
    let mut sum = 0;
    for number in 0..n {
        sum += double(number).await?;
    }
    Ok(sum)
}

#[durable]
async fn waits_for_ever() -> stent::Result<()> {
    stent::signal::<()>("never").await
}

/// A store of its own on the same database, as another process has it.
async fn open(database: &Database) -> Stent {
    open_url(database.url()).await
}

/// The servers of tests don't wait for the disk.
async fn open_url(url: &str) -> Stent {
    let parameters = if url.contains('?') { '&' } else { '?' };
    Stent::open(format!("{url}{parameters}unsafe_durability=true"))
        .await
        .unwrap()
}

async fn worker(stent: &Stent, log: &Arc<Log>) -> Worker {
    stent
        .worker()
        .lease_duration(Duration::from_secs(3))
        .register(functions![
            calls_on_and_on,
            double,
            flaky,
            everything,
            one_at_a_time,
            waits_for_ever
        ])
        .state(Arc::clone(log))
        .start()
        .await
        .unwrap()
}

async fn until(stent: &Stent, id: stent::store::ExecutionId, state: StateKind) {
    for _ in 0..3_000 {
        if stent.handle::<waits_for_ever>(id).state().await.unwrap() == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never came to {state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_does_all_that_it_may_and_another_process_sees_it() {
    let database = stent_test_postgres::database().unwrap();
    let log = Arc::new(Log::default());
    let worker = worker(&open(&database).await, &log).await;

    let client = open(&database).await;
    let call = everything("all".to_owned()).idempotency_key("once");
    let execution = client.dispatch(call).await.unwrap();
    execution.signal("word", &"go").await.unwrap();

    assert_eq!(execution.result().await.unwrap(), "all: 9900, 3, 1, go");
    assert_eq!(log.steps.load(Ordering::SeqCst), 1);
    worker.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_two_workers() {
    let database = stent_test_postgres::database().unwrap();
    let log = Arc::new(Log::default());
    let workers = [
        worker(&open(&database).await, &log).await,
        worker(&open(&database).await, &log).await,
    ];
    let client = open(&database).await;
    let calls = (0..40).map(|_| one_at_a_time());
    for execution in client.dispatch_all(calls).await.unwrap() {
        execution.result().await.unwrap();
    }
    assert_eq!(log.at_once.load(Ordering::SeqCst), 1);
    for worker in workers {
        worker.drain().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_what_waits_elsewhere() {
    let database = stent_test_postgres::database().unwrap();
    let worker = worker(&open(&database).await, &Arc::new(Log::default())).await;
    let client = open(&database).await;
    let execution = client.dispatch(waits_for_ever()).await.unwrap();
    assert_eq!(execution.cancel().await.unwrap(), CancelAnswer::Requested);
    until(&client, execution.id(), StateKind::Cancelled).await;
    worker.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_under_load_loses_nothing_and_no_worker_is_restarted() {
    let cluster = Cluster::start(&Options::new()).unwrap();
    let stent = open_url(&cluster.url("postgres")).await;
    let log = Arc::new(Log::default());
    let worker = worker(&stent, &log).await;
    let executions = stent.dispatch_all((0..2_000).map(double)).await.unwrap();

    cluster.restart(Stop::Immediate).unwrap();

    let later = stent.dispatch(double(21)).await.unwrap();
    assert_eq!(later.result().await.unwrap(), 42);
    for (n, execution) in (0..).zip(executions) {
        assert_eq!(execution.result().await.unwrap(), 2 * n);
    }
    assert!(worker.is_ready());
    worker.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_over_without_the_newest_work_does_it_again_and_no_worker_is_restarted()
 {
    let cluster = Cluster::start(&Options::new()).unwrap();
    let stent = open_url(&cluster.url("postgres")).await;
    let log = Arc::new(Log::default());
    let worker = worker(&stent, &log).await;
    let calls = (0..20).map(|_| calls_on_and_on(200));
    let executions = stent.dispatch_all(calls).await.unwrap();

    cluster.keep_standby().unwrap();
    let lost = stent.dispatch(double(21)).await.unwrap();
    assert_eq!(lost.result().await.unwrap(), 42);
    cluster.fail_over().unwrap();

    for execution in executions {
        assert_eq!(execution.result().await.unwrap(), 199 * 200);
    }
    let gone = lost.result().await.unwrap_err();
    assert!(
        matches!(gone, stent::Error::NoSuchExecution { .. }),
        "{gone}"
    );
    assert!(worker.is_ready());
    worker.drain().await.unwrap();
}
