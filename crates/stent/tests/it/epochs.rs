//! A store that comes back without its newest transactions, while workers go by them.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{
    prelude::*,
    store::{Epoch, StateKind, Store, TaskQuery},
};
use stent_store_memory::MemoryStore;

use crate::{
    cut::{Cut, CutStore},
    faults::SECOND,
    support::{World, eventually},
};

/// What a store holds now, to come back to it later.
fn keep(store: &dyn Store) -> MemoryStore {
    let store = (store as &dyn Any).downcast_ref::<MemoryStore>();
    store.unwrap().fork().unwrap()
}

#[derive(Debug, Default)]
struct Log {
    steps: AtomicU32,
    running: AtomicU32,
    most_at_once: AtomicU32,
}

async fn start(world: &World, store: &Arc<CutStore>, log: &Arc<Log>) -> Worker {
    Stent::new(Arc::clone(store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .concurrency(8)
        .register(functions![takes_a_step, one_at_a_time, calls_some])
        .state(Arc::clone(log))
        .start()
        .await
        .unwrap()
}

#[durable]
async fn takes_a_step(#[state] log: Arc<Log>) -> stent::Result<u32> {
    tokio::time::sleep(2 * SECOND).await;
    let number = stent::step("number", async || {
        Ok::<_, stent::Error>(log.steps.fetch_add(1, Ordering::SeqCst) + 1)
    })
    .await?;
    tokio::time::sleep(200 * SECOND).await;
    Ok(number)
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_holds_is_given_back_when_the_store_has_lost_something() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let execution = world.stent.dispatch(takes_a_step()).await.unwrap();
    let _worker = start(&world, &store, &log).await;
    world.pass(SECOND).await;
    // It is claimed by now; what the step is about to answer is lost.
    let kept = keep(&*world.store);
    world.pass(2 * SECOND).await;
    assert_eq!(log.steps.load(Ordering::SeqCst), 1);
    let after: Arc<dyn Store> = Arc::new(kept.in_epoch(Epoch(1)));
    let task = || async {
        let tasks = after.tasks(TaskQuery::default()).await.unwrap().tasks;
        tasks.into_iter().next().unwrap().task
    };
    assert_eq!(task().await.state.kind(), StateKind::Running);
    store.leads_to(Arc::clone(&after));
    let began = world.elapsed();
    let again = Stent::new(Arc::clone(&after));
    eventually("the step is done again", async || {
        log.steps.load(Ordering::SeqCst) == 2
    })
    .await;
    let took = world.elapsed() - began;
    assert!(took < Duration::from_secs(110), "a renewal tells: {took:?}");
    let execution = again.handle::<takes_a_step>(execution.id());
    assert_eq!(execution.result().await.unwrap(), 2);
    let task = task().await;
    assert_eq!((task.crashes.total, task.failed_attempts), (0, 0));
}

#[durable(max_concurrent = 1)]
async fn one_at_a_time(_number: u32, #[state] log: Arc<Log>) -> stent::Result<()> {
    let running = log.running.fetch_add(1, Ordering::SeqCst) + 1;
    log.most_at_once.fetch_max(running, Ordering::SeqCst);
    tokio::time::sleep(SECOND).await;
    log.running.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

#[durable]
async fn calls_some() -> stent::Result<usize> {
    Ok(one_at_a_time.map(0..4).await?.len())
}

#[tokio::test(start_paused = true)]
async fn limits_that_a_store_has_lost_are_declared_again_before_anything_is_claimed() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    // A store that knows of no limit.
    let kept = keep(&*world.store);
    let _worker = start(&world, &store, &log).await;
    let after: Arc<dyn Store> = Arc::new(kept.in_epoch(Epoch(1)));
    let again = Stent::new(Arc::clone(&after));
    again.dispatch_all((0..4).map(one_at_a_time)).await.unwrap();
    let _calls = again.dispatch(calls_some()).await.unwrap();
    store.leads_to(Arc::clone(&after));
    eventually("all have ended", async || {
        let tasks = after.tasks(TaskQuery::default()).await.unwrap().tasks;
        tasks.len() == 9
            && tasks
                .iter()
                .all(|one| one.task.state.kind() == StateKind::Completed)
    })
    .await;
    assert_eq!(log.most_at_once.load(Ordering::SeqCst), 1);
}
