//! A worker on a store that is slow, loses answers and the newest commits, says what is not so, or needs a connection at the wrong moment.

use std::{sync::Arc, time::Duration};

use stent::{
    prelude::*,
    store::{Hint, QueueName, StateKind, Timestamp},
};

use crate::{
    cut::{Cut, CutStore, Histories},
    faults::{Log, SECOND, worker, works},
    support::{World, eventually},
};

#[durable(blocking, retry(max_attempts = 1))]
fn quick() -> stent::Result<()> {
    Ok(())
}

#[tokio::test]
async fn what_was_claimed_while_the_worker_drains_is_given_back_untried() {
    let world = World::new();
    let store = CutStore::slow_to_claim(Arc::clone(&world.store), Duration::from_millis(20));
    let stent = Stent::new(Arc::clone(&store) as _);
    let worker = stent.worker().register(functions![quick]);
    let task = world.stent.dispatch(quick()).await.unwrap();
    let worker = worker.start().await.unwrap();
    eventually("it claims", async || store.claims() == 1).await;
    worker.drain().await.unwrap();
    assert_eq!(task.state().await.unwrap(), StateKind::Pending);
}

#[durable(max_concurrent = 1)]
async fn one_at_a_time(#[state] log: Arc<Log>) -> stent::Result<()> {
    let _running = log.runs();
    tokio::time::sleep(3_600 * SECOND).await;
    Ok(())
}

#[durable]
async fn calls_one() -> stent::Result<()> {
    one_at_a_time().await
}

#[tokio::test(start_paused = true)]
async fn children_of_a_repeated_commit_are_held_no_longer_than_their_lease() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let start = |store: Arc<CutStore>| {
        Stent::new(store as _)
            .worker()
            .clock(Arc::clone(&world.clock) as _)
            .renew_on_own_thread(false)
            .register(functions![one_at_a_time, calls_one])
            .state(Arc::clone(&log))
            .start()
    };
    store.lose_start();
    let _first = start(Arc::clone(&store)).await.unwrap();
    let _execution = world.stent.dispatch(calls_one()).await.unwrap();
    // The child is leased from here on, and its holder hears of it much later.
    world.pass(100 * SECOND).await;
    store.stop_renewing();
    store.set_down(false);
    world.pass(20 * SECOND).await;
    assert_eq!(log.started(), 1);

    let other = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let _second = start(other).await.unwrap();
    eventually("it runs elsewhere", async || log.started() == 2).await;
    assert_eq!(
        log.stopped_at.lock().unwrap().len(),
        1,
        "the first holder has stopped before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_out_of_order_gives_the_task_up() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let worker = worker(&world, &store, &log).await;
    store.disorder();
    let calls = works(SECOND);
    let _execution = world.stent.dispatch(calls).await.unwrap();
    world.pass(100 * SECOND).await;
    assert_eq!(store.commits(), 1);
    assert_eq!(worker.leased(), 0);
}

/// Panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "the bomb went off");
    }
}

#[durable(retry(max_attempts = 1))]
async fn throws_a_bomb() -> stent::Result<()> {
    std::panic::panic_any(Bomb)
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_value_panics_too_is_a_failure_like_any_other() {
    let world = World::new();
    let functions = functions![throws_a_bomb];
    let worker = world.worker("w").register(functions).start().await.unwrap();
    let error = world.stent.run(throws_a_bomb()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("panicked"), "{source}");
    // It was recorded by its holder, and not by whoever took the task over.
    assert!(world.elapsed() < 10 * SECOND, "{:?}", world.elapsed());
    worker.drain().await.unwrap();
}

#[durable]
async fn a_signal_or_a_long_step() -> stent::Result<u32> {
    let signal = stent::signal("go");
    let step = stent::step("long", || async {
        tokio::time::sleep(3_000 * SECOND).await;
        Ok::<_, std::io::Error>(0)
    });
    tokio::select! { biased; told = signal => told, step = step => step }
}

#[tokio::test(start_paused = true)]
async fn with_every_hint_lost_a_signal_reaches_a_body_beside_its_step() {
    let world = World::new();
    let store = CutStore::deaf(Arc::clone(&world.store));
    let _worker = Stent::new(store as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![a_signal_or_a_long_step])
        .start()
        .await
        .unwrap();
    let execution = world.stent.dispatch(a_signal_or_a_long_step()).await;
    let execution = execution.unwrap();
    world.pass(10 * SECOND).await;
    execution.signal("go", &42_u32).await.unwrap();
    assert_eq!(execution.result().await.unwrap(), 42);
    assert!(world.elapsed() < 700 * SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn invented_hints_cancel_nothing_and_make_a_full_worker_claim_nothing() {
    let world = World::new();
    let store = CutStore::slow_to_claim(Arc::clone(&world.store), Duration::from_millis(5));
    let log = Arc::new(Log::default());
    let worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![works])
        .state(Arc::clone(&log))
        .concurrency(1)
        .prefetch(0)
        .start()
        .await
        .unwrap();
    let execution = world.stent.dispatch(works(5 * SECOND)).await.unwrap();
    eventually("it runs", async || log.started() == 1).await;
    let before = store.claims();
    let task = execution.id().root();
    store.invent(Hint::CancelRequested { task });
    for _ in 0..1_000 {
        let queue = QueueName::default();
        store.invent(Hint::Due {
            queue,
            at: Timestamp::MIN,
        });
        world.pass(Duration::from_millis(1)).await;
    }
    // The poll looks after those whose lease ran out.
    assert!(store.claims() - before <= 2, "{}", store.claims() - before);
    assert_eq!(execution.result().await.unwrap(), 1);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_store_may_connect_while_it_renews() {
    let store = CutStore::connecting(Arc::new(stent_store_memory::MemoryStore::new()));
    let log = Arc::new(Log::default());
    let stent = Stent::new(store as _);
    let worker = stent
        .worker()
        .register(functions![works])
        .state(Arc::clone(&log))
        .lease_duration(Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let call = works(Duration::from_millis(900));
    assert_eq!(stent.run(call).await.unwrap(), 1);
    assert!(worker.is_ready());
    assert_eq!(worker.stats().leases_lost, 0);
}

/// Ends well once, and never again.
#[durable(retry(max_attempts = 1))]
async fn fails_the_second_time(#[state] log: Arc<Log>) -> stent::Result<u32> {
    let _running = log.runs();
    tokio::time::sleep(SECOND).await;
    match log.started() {
        1 => Ok(1),
        _ => Err(stent::fatal("the second time")),
    }
}

#[durable]
async fn calls_what_fails_the_second_time() -> stent::Result<u32> {
    fails_the_second_time().await
}

#[tokio::test(start_paused = true)]
async fn a_parent_is_told_what_was_recorded_of_its_child_and_not_what_was_refused() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let _worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![
            fails_the_second_time,
            calls_what_fails_the_second_time
        ])
        .state(Arc::clone(&log))
        .start()
        .await
        .unwrap();
    let call = calls_what_fails_the_second_time();
    let execution = world.stent.dispatch(call).await.unwrap();
    eventually("the child runs", async || log.started() == 1).await;
    store.contradict(Histories::Shown);
    let result = execution.result().await;
    assert_eq!(log.started(), 2);
    assert!(result.is_err(), "{result:?}");
}
