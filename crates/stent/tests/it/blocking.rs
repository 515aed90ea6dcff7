//! Blocking bodies that are told to stop: their task holds its slot and its lease until their thread has ended.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{prelude::*, store::StateKind};
use stent_store_memory::MemoryStore;

/// What bodies do, and the gate that they end by.
#[derive(Debug, Default)]
struct Log {
    running: AtomicU32,
    at_once: AtomicU32,
    began: AtomicU32,
    told: AtomicU32,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Log {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Asks whether it should stop, and then takes its time to.
#[durable(blocking, max_concurrent = 1, retry(max_attempts = 1))]
fn winds_up(#[state] log: Arc<Log>) -> stent::Result<()> {
    log.began.fetch_add(1, Ordering::SeqCst);
    let running = log.running.fetch_add(1, Ordering::SeqCst) + 1;
    log.at_once.fetch_max(running, Ordering::SeqCst);
    let mut open = log.open.lock().unwrap();
    while !*open {
        if stent::is_cancelled() {
            log.told.fetch_add(1, Ordering::SeqCst);
        }
        let tick = Duration::from_millis(2);
        open = log.opened.wait_timeout(open, tick).unwrap().0;
    }
    log.running.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

/// Asks all the time, and ends when it should stop.
#[durable(blocking)]
fn listens(#[state] log: Arc<Log>) -> stent::Result<()> {
    log.began.fetch_add(1, Ordering::SeqCst);
    while !stent::is_cancelled() {
        std::thread::yield_now();
    }
    Ok(())
}

/// Waits until it should stop.
#[durable]
async fn awaits_the_end(#[state] log: Arc<Log>) -> stent::Result<u32> {
    log.began.fetch_add(1, Ordering::SeqCst);
    stent::cancelled().await;
    Ok(7)
}

/// Fails when it should stop, as what cannot be done in part does.
#[durable(blocking, retry(max_attempts = 1))]
fn fails_when_told(#[state] log: Arc<Log>) -> Result<(), std::io::Error> {
    log.began.fetch_add(1, Ordering::SeqCst);
    while !stent::is_cancelled() {
        std::thread::yield_now();
    }
    Err(std::io::Error::other("it was told to stop"))
}

/// The same, in a step.
#[durable(retry(max_attempts = 1))]
async fn steps_until_told(#[state] log: Arc<Log>) -> stent::Result<()> {
    stent::step("reads", async || {
        log.began.fetch_add(1, Ordering::SeqCst);
        stent::cancelled().await;
        Err::<(), _>(std::io::Error::other("it was told to stop"))
    })
    .await
}

/// Always wakes itself, so that it is never waited for.
#[durable(retry(max_attempts = 1), timeout = "30ms")]
async fn spins() -> stent::Result<()> {
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    })
    .await;
    Ok(())
}

async fn started(log: &Arc<Log>, grace: Duration) -> (Stent, Worker) {
    let stent = Stent::new(Arc::new(MemoryStore::new()));
    let worker = stent
        .worker()
        .register(functions![
            winds_up,
            listens,
            awaits_the_end,
            fails_when_told,
            steps_until_told,
            spins
        ])
        .state(Arc::clone(log))
        .drain_grace(grace)
        .start()
        .await
        .unwrap();
    (stent, worker)
}

/// Waits until a count is reached; fails after ten seconds.
async fn until(count: &AtomicU32, least: u32) {
    for _ in 0..10_000 {
        if count.load(Ordering::SeqCst) >= least {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{count:?} never came to {least}");
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_cancelled_blocking_body_holds_its_slot_until_its_thread_has_ended() {
    let log = Arc::new(Log::default());
    let (stent, worker) = started(&log, LONG).await;
    let first = stent.dispatch(winds_up()).await.unwrap();
    until(&log.began, 1).await;
    let second = stent.dispatch(winds_up()).await.unwrap();

    first.cancel().await.unwrap();
    until(&log.told, 3).await;
    assert_eq!(first.state().await.unwrap(), StateKind::Running);
    assert_eq!(second.state().await.unwrap(), StateKind::Pending);

    log.open();
    second.result().await.unwrap();
    assert_eq!(first.state().await.unwrap(), StateKind::Cancelled);
    assert_eq!(log.at_once.load(Ordering::SeqCst), 1);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_blocking_body_that_timed_out_holds_its_slot_until_its_thread_has_ended() {
    let log = Arc::new(Log::default());
    let (stent, worker) = started(&log, LONG).await;
    // Long enough for its thread to begin, also on a busy machine: what has not begun at its timeout never does.
    let first = stent.dispatch(winds_up().timeout("1s")).await.unwrap();
    until(&log.told, 3).await;
    let second = stent.dispatch(winds_up()).await.unwrap();
    // It is told a second time.
    first.cancel().await.unwrap();
    let told = log.told.load(Ordering::SeqCst);
    until(&log.told, told + 10).await;
    assert_eq!(first.state().await.unwrap(), StateKind::Running);

    log.open();
    second.result().await.unwrap();
    assert_eq!(first.state().await.unwrap(), StateKind::Cancelled);
    assert_eq!(log.at_once.load(Ordering::SeqCst), 1);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_drain_gives_a_blocking_body_back_once_its_thread_has_ended() {
    let log = Arc::new(Log::default());
    let (stent, worker) = started(&log, Duration::ZERO).await;
    let task = stent.dispatch(winds_up()).await.unwrap();
    until(&log.began, 1).await;

    let drain = tokio::spawn(worker.drain());
    until(&log.told, 3).await;
    assert_eq!(task.state().await.unwrap(), StateKind::Running);
    log.open();
    drain.await.unwrap().unwrap();
    assert_eq!(log.running.load(Ordering::SeqCst), 0);
    assert_eq!(task.state().await.unwrap(), StateKind::Pending);
}

#[tokio::test]
async fn a_body_that_asks_has_the_grace_period_to_end() {
    let log = Arc::new(Log::default());
    let (stent, worker) = started(&log, LONG).await;
    let blocking = stent.dispatch(listens()).await.unwrap();
    let awaiting = stent.dispatch(awaits_the_end()).await.unwrap();
    until(&log.began, 2).await;

    worker.drain().await.unwrap();

    blocking.result().await.unwrap();
    assert_eq!(awaiting.result().await.unwrap(), 7);
}

#[tokio::test]
async fn what_fails_because_of_a_drain_counts_no_attempt_and_goes_on_elsewhere() {
    let log = Arc::new(Log::default());
    let (stent, worker) = started(&log, LONG).await;
    let blocking = stent.dispatch(fails_when_told()).await.unwrap();
    let stepping = stent.dispatch(steps_until_told()).await.unwrap();
    until(&log.began, 2).await;
    worker.drain().await.unwrap();
    for execution in [blocking.untyped(), stepping.untyped()] {
        let root = execution.record().await.unwrap().root.task;
        assert_eq!(root.state.kind(), StateKind::Pending, "{root:?}");
        assert_eq!((root.failed_attempts, root.crashes.total), (0, 0));
        assert_eq!(root.operations, 0, "the step is not recorded as failed");
    }
}

#[tokio::test]
async fn a_body_that_always_wakes_itself_is_stopped_at_its_timeout() {
    let (stent, worker) = started(&Arc::new(Log::default()), LONG).await;
    let error = stent.run(spins()).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    worker.drain().await.unwrap();
}
