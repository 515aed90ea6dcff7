//! The requirement, sentence by sentence.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stent::{prelude::*, store::StateKind};

use crate::support::{World, eventually};

/// Counts how often bodies start, and how many run at once.
#[derive(Debug, Default)]
struct Witness {
    starts: AtomicU32,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Witness {
    fn enter(self: &Arc<Self>) -> Inside {
        self.starts.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        Inside(Arc::clone(self))
    }

    fn starts(&self) -> u32 {
        self.starts.load(Ordering::SeqCst)
    }
}

struct Inside(Arc<Witness>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Hangs the first time, succeeds from then on.
#[durable]
async fn hangs_once(#[state] witness: Arc<Witness>) -> stent::Result<u32> {
    let _inside = witness.enter();
    if witness.starts() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(witness.starts())
}

#[durable]
async fn takes(span: Duration, #[state] witness: Arc<Witness>) -> stent::Result<()> {
    let _inside = witness.enter();
    tokio::time::sleep(span).await;
    Ok(())
}

#[durable(max_concurrent = 1)]
async fn exclusive(span: Duration, #[state] witness: Arc<Witness>) -> stent::Result<()> {
    let _inside = witness.enter();
    tokio::time::sleep(span).await;
    Ok(())
}

#[durable(retry(max_attempts = 1))]
async fn fails() -> stent::Result<()> {
    Err(stent::fatal(std::io::Error::other("no")))
}

#[durable(timeout = "1s", retry(max_attempts = 1))]
async fn times_out() -> stent::Result<()> {
    std::future::pending().await
}

#[durable]
async fn quick() -> stent::Result<u8> {
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn when_a_worker_crashes_the_lease_expires_and_another_worker_steals_the_task() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let build = |name| {
        world
            .worker(name)
            .register(functions![hangs_once])
            .state(Arc::clone(&witness))
    };
    let first = build("first").start().await.unwrap();
    let handle = world.stent.dispatch(hangs_once()).await.unwrap();
    eventually("the first worker runs it", async || witness.starts() == 1).await;
    let began = world.elapsed();
    drop(first);
    let _second = build("second").start().await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 2);
    let waited = world.elapsed() - began;
    assert!(
        waited >= Duration::from_secs(290) && waited < Duration::from_secs(305),
        "the default lease is 5 minutes, it took {waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn start_a_worker_with_a_custom_short_lease() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let build = |name| {
        world
            .worker(name)
            .register(functions![hangs_once])
            .state(Arc::clone(&witness))
            .lease_duration(Duration::from_secs(30))
    };
    let first = build("first").start().await.unwrap();
    let handle = world.stent.dispatch(hangs_once()).await.unwrap();
    eventually("the first worker runs it", async || witness.starts() == 1).await;
    drop(first);
    let began = world.elapsed();
    let _second = build("second").start().await.unwrap();
    handle.result().await.unwrap();
    assert!(world.elapsed() - began < Duration::from_secs(33));
}

#[tokio::test(start_paused = true)]
async fn a_task_longer_than_its_lease_is_not_stolen_while_its_worker_lives() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let build = |name| {
        world
            .worker(name)
            .register(functions![takes])
            .state(Arc::clone(&witness))
            .lease_duration(Duration::from_secs(2))
    };
    let _first = build("first").start().await.unwrap();
    let _second = build("second").start().await.unwrap();
    world
        .stent
        .run(takes(Duration::from_secs(100)))
        .await
        .unwrap();
    assert_eq!(witness.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_renewal_a_task_longer_than_its_lease_is_stopped_and_stolen() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let _worker = world
        .worker("plain")
        .register(functions![hangs_once])
        .state(Arc::clone(&witness))
        .lease_duration(Duration::from_secs(2))
        .renew(false)
        .start()
        .await
        .unwrap();
    assert_eq!(world.stent.run(hangs_once()).await.unwrap(), 2);
    assert_eq!(
        witness.most.load(Ordering::SeqCst),
        1,
        "the first body was stopped before the second began"
    );
}

/// Makes one execution in each of the four terminal states.
async fn one_of_each_terminal_state(world: &World) {
    world.stent.run(quick()).await.unwrap();
    world.stent.run(fails()).await.unwrap_err();
    world.stent.run(times_out()).await.unwrap_err();
    let cancelled = world.stent.dispatch(quick().delay("1h")).await.unwrap();
    cancelled.cancel().await.unwrap();
    cancelled.result().await.unwrap_err();
}

async fn states(world: &World) -> Vec<StateKind> {
    let page = world.stent.executions(Default::default()).await.unwrap();
    let mut states: Vec<_> = page
        .executions
        .iter()
        .map(|e| e.root.task.state.kind())
        .collect();
    states.sort();
    states
}

#[tokio::test(start_paused = true)]
async fn executions_in_a_terminal_state_older_than_the_retention_period_are_deleted() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![quick, fails, times_out])
        .poll_interval(Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    one_of_each_terminal_state(&world).await;
    let asleep = world.stent.dispatch(quick().delay("365d")).await.unwrap();
    assert_eq!(
        states(&world).await,
        [
            StateKind::Pending,
            StateKind::Completed,
            StateKind::Failed,
            StateKind::TimedOut,
            StateKind::Cancelled
        ]
    );
    world.pass(Duration::from_secs(7 * 86_400 - 60)).await;
    assert_eq!(states(&world).await.len(), 5, "7 days are not over");
    world.pass(Duration::from_secs(3_600 + 120)).await;
    assert_eq!(
        states(&world).await,
        [StateKind::Pending],
        "unfinished executions are never touched"
    );
    assert!(asleep.try_result().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_custom_cleanup_interval_and_retention_period_count() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![quick])
        .cleanup_interval(Duration::from_secs(1))
        .retention_period(Duration::from_secs(10))
        .start()
        .await
        .unwrap();
    world.stent.run(quick()).await.unwrap();
    world.pass(Duration::from_secs(9)).await;
    assert_eq!(states(&world).await.len(), 1);
    world.pass(Duration::from_secs(3)).await;
    assert!(states(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn cleanup_interval_none_disables_auto_cleanup() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![quick])
        .cleanup_interval(None)
        .retention_period(Duration::from_secs(1))
        .poll_interval(Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    world.stent.run(quick()).await.unwrap();
    world.pass(Duration::from_secs(30 * 86_400)).await;
    assert_eq!(states(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn limit_to_1_concurrent_instance_globally_across_all_workers() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let mut workers = Vec::new();
    for name in ["one", "two", "three"] {
        let worker = world
            .worker(name)
            .register(functions![exclusive])
            .state(Arc::clone(&witness));
        workers.push(worker.start().await.unwrap());
    }
    let calls = (0..20).map(|_| exclusive(Duration::from_millis(50)));
    let handles = world.stent.dispatch_all(calls).await.unwrap();
    for handle in handles {
        handle.result().await.unwrap();
    }
    assert_eq!(witness.starts(), 20);
    assert_eq!(witness.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_limit_delays_no_other_function() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let _worker = world
        .worker("worker")
        .register(functions![exclusive, quick])
        .state(Arc::clone(&witness))
        .start()
        .await
        .unwrap();
    let calls = (0..50).map(|_| exclusive(Duration::from_secs(10)));
    world.stent.dispatch_all(calls).await.unwrap();
    let began = world.elapsed();
    for _ in 0..20 {
        world.stent.run(quick()).await.unwrap();
    }
    assert!(world.elapsed() - began < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_crash_frees_a_slot_when_the_lease_ends() {
    let world = World::new();
    let witness = Arc::new(Witness::default());
    let build = |name| {
        world
            .worker(name)
            .register(functions![exclusive])
            .state(Arc::clone(&witness))
            .lease_duration(Duration::from_secs(3))
    };
    let first = build("first").start().await.unwrap();
    let long = world
        .stent
        .dispatch(exclusive(Duration::from_secs(1_000)))
        .await
        .unwrap();
    eventually("it runs", async || witness.starts() == 1).await;
    drop(first);
    let _second = build("second").start().await.unwrap();
    long.cancel().await.unwrap();
    world.stent.run(exclusive(Duration::ZERO)).await.unwrap();
    assert!(world.elapsed() < Duration::from_secs(10));
}
