//! Stopping: cancellation, timeouts, deadlines, drain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{CancelAnswer, prelude::*, store::StateKind};

use crate::support::{World, eventually};

#[derive(Debug, Default)]
struct Log {
    started: AtomicU32,
    stopped: AtomicU32,
    finished: AtomicU32,
}

struct Stops(Arc<Log>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

#[durable(retry(max_attempts = 1))]
async fn works(span: Duration, #[state] log: Arc<Log>) -> stent::Result<u32> {
    log.started.fetch_add(1, Ordering::SeqCst);
    let _stops = Stops(Arc::clone(&log));
    tokio::time::sleep(span).await;
    Ok(log.finished.fetch_add(1, Ordering::SeqCst))
}

#[durable]
async fn tree(#[state] log: Arc<Log>) -> stent::Result<u32> {
    log.started.fetch_add(1, Ordering::SeqCst);
    let far = Duration::from_secs(100_000);
    let (a, b) = tokio::join!(works(far), branch());
    Ok(a? + b?)
}

#[durable]
async fn branch() -> stent::Result<u32> {
    works(Duration::from_secs(100_000)).delay("1h").await
}

fn all() -> Vec<&'static stent::FunctionDefinition> {
    functions![works, tree, branch].into()
}

async fn started(world: &World, name: &str, log: &Arc<Log>) -> Worker {
    world
        .worker(name)
        .register(all())
        .state(Arc::clone(log))
        .start()
        .await
        .unwrap()
}

async fn task_states(world: &World) -> Vec<StateKind> {
    let page = world.stent.tasks(Default::default()).await.unwrap();
    page.tasks
        .iter()
        .map(|record| record.task.state.kind())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_every_task_of_the_tree() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let _worker = started(&world, "worker", &log).await;
    let handle = world.stent.dispatch(tree()).await.unwrap();
    eventually("all four tasks exist", async || {
        task_states(&world).await.len() == 4
    })
    .await;
    eventually("two run", async || log.started.load(Ordering::SeqCst) == 2).await;
    handle.cancel().await.unwrap();
    assert!(handle.result().await.unwrap_err().is_cancelled());
    eventually("all are cancelled", async || {
        task_states(&world)
            .await
            .iter()
            .all(|state| *state == StateKind::Cancelled)
    })
    .await;
    assert!(world.elapsed() < Duration::from_secs(5));
    assert_eq!(
        log.stopped.load(Ordering::SeqCst),
        1,
        "the running body was dropped"
    );
    assert_eq!(
        handle.cancel().await.unwrap(),
        CancelAnswer::Ended(StateKind::Cancelled)
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_timeout() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let _worker = started(&world, "worker", &log).await;
    let call = works(Duration::from_secs(100)).timeout("2s");
    let error = world.stent.run(call).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(task_states(&world).await, [StateKind::TimedOut]);
    assert!(world.elapsed() < Duration::from_secs(4));
}

#[durable(retry(max_attempts = 1))]
async fn waits_once() -> stent::Result<u32> {
    stent::signal("answer").await
}

#[durable(retry(max_attempts = 2, initial_delay = "1s", jitter = 0.0))]
async fn waits_twice() -> stent::Result<u32> {
    stent::signal("answer").await
}

/// Another attempt has its own time, and the same signal ends its wait.
#[tokio::test(start_paused = true)]
async fn an_attempt_ends_at_its_timeout_also_while_it_is_suspended() {
    let world = World::new();
    let worker = world
        .worker("w")
        .register(functions![waits_once, waits_twice]);
    let _worker = worker.start().await.unwrap();
    for timeout in [2, 60, 3_600].map(Duration::from_secs) {
        let once = world.stent.dispatch(waits_once().timeout(timeout));
        let twice = world.stent.dispatch(waits_twice().timeout(timeout));
        let (once, twice) = (once.await.unwrap(), twice.await.unwrap());
        let second = Duration::from_secs(1);
        world.pass(timeout - second).await;
        assert!(!once.state().await.unwrap().is_terminal());
        world.pass(2 * second).await;
        assert_eq!(once.state().await.unwrap(), StateKind::TimedOut);
        twice.signal("answer", &41).await.unwrap();
        assert_eq!(twice.result().await.unwrap(), 41);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_tree_wherever_it_stands() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let _worker = started(&world, "worker", &log).await;
    let error = world.stent.run(tree().deadline("20s")).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    eventually("nothing runs", async || {
        task_states(&world)
            .await
            .iter()
            .all(|state| state.is_terminal())
    })
    .await;
    let waited = world.elapsed();
    assert!(
        waited >= Duration::from_secs(20) && waited < Duration::from_secs(23),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_bodies_finish() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let worker = started(&world, "worker", &log).await;
    let handle = world
        .stent
        .dispatch(works(Duration::from_secs(10)))
        .await
        .unwrap();
    eventually("it runs", async || log.started.load(Ordering::SeqCst) == 1).await;
    worker.drain().await.unwrap();
    assert_eq!(log.finished.load(Ordering::SeqCst), 1);
    assert_eq!(handle.try_result().await.unwrap(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_the_grace_period_goes_on_elsewhere_at_once() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let worker = started(&world, "first", &log).await;
    let handle = world
        .stent
        .dispatch(works(Duration::from_secs(100)))
        .await
        .unwrap();
    eventually("it runs", async || log.started.load(Ordering::SeqCst) == 1).await;
    let began = world.elapsed();
    worker.drain().await.unwrap();
    let drained = world.elapsed() - began;
    assert!(
        drained >= Duration::from_secs(30) && drained < Duration::from_secs(31),
        "{drained:?}"
    );
    let _second = started(&world, "second", &log).await;
    handle.result().await.unwrap();
    assert!(world.elapsed() - began < Duration::from_secs(133));
    let page = world.stent.executions(Default::default()).await.unwrap();
    let task = &page.executions[0].root.task;
    assert_eq!(
        (task.failed_attempts, task.crashes.total),
        (0, 0),
        "a drain counts nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_suspends_what_waits() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let worker = started(&world, "worker", &log).await;
    world.stent.dispatch(branch()).await.unwrap();
    eventually("it waits for its child", async || {
        task_states(&world).await.len() == 2
    })
    .await;
    let began = world.elapsed();
    worker.drain().await.unwrap();
    assert!(world.elapsed() - began < Duration::from_secs(1));
    let mut states = task_states(&world).await;
    states.sort();
    assert_eq!(states, [StateKind::Pending, StateKind::Suspended]);
}
