//! Faults: lost hints, a store that is down, workers that die.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{prelude::*, store::StateKind};

use crate::{
    cut::{Cut, CutStore},
    support::{World, eventually},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Log {
    started: AtomicU32,
    pub(crate) stopped_at: Mutex<Vec<Duration>>,
}

impl Log {
    /// Notes that a body runs, until what this gives is dropped.
    pub(crate) fn runs(self: &Arc<Self>) -> Stops {
        self.started.fetch_add(1, Ordering::SeqCst);
        Stops {
            log: Arc::clone(self),
            began: tokio::time::Instant::now(),
        }
    }

    pub(crate) fn started(&self) -> u32 {
        self.started.load(Ordering::SeqCst)
    }
}

pub(crate) struct Stops {
    log: Arc<Log>,
    began: tokio::time::Instant,
}

impl Drop for Stops {
    fn drop(&mut self) {
        self.log
            .stopped_at
            .lock()
            .unwrap()
            .push(self.began.elapsed());
    }
}

#[durable]
pub(crate) async fn works(span: Duration, #[state] log: Arc<Log>) -> stent::Result<u32> {
    let _stops = Stops {
        log: Arc::clone(&log),
        began: tokio::time::Instant::now(),
    };
    let started = log.started.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::time::sleep(span).await;
    Ok(started)
}

#[durable]
async fn far() -> stent::Result<u32> {
    Ok(7)
}

/// Waits for what other workers do: a child, a signal.
#[durable]
async fn near() -> stent::Result<u32> {
    let child = far().await?;
    let told: u32 = stent::signal("go").await?;
    Ok(child + told)
}

pub(crate) async fn worker(world: &World, store: &Arc<CutStore>, log: &Arc<Log>) -> Worker {
    Stent::new(Arc::clone(store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![works, near, calls_and_sleeps])
        .state(Arc::clone(log))
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn with_every_hint_lost_children_signals_and_cancels_arrive_all_the_same() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let deaf = CutStore::deaf(Arc::clone(&world.store));
    let _near = worker(&world, &deaf, &log).await;
    let other = CutStore::deaf(Arc::clone(&world.store));
    let _far = Stent::new(other as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![far])
        .start()
        .await
        .unwrap();
    let waits = world.stent.dispatch(near()).await.unwrap();
    let runs = world
        .stent
        .dispatch(works(Duration::from_secs(1_000)))
        .await
        .unwrap();
    world.pass(Duration::from_secs(4)).await;
    waits.signal("go", &1).await.unwrap();
    assert_eq!(waits.result().await.unwrap(), 8);
    assert!(
        world.elapsed() < Duration::from_secs(8),
        "{:?}",
        world.elapsed()
    );
    runs.cancel().await.unwrap();
    assert!(runs.result().await.unwrap_err().is_cancelled());
    assert!(
        world.elapsed() < Duration::from_secs(110),
        "within one renewal period: {:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_is_stopped_before_its_lease_can_have_ended() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let _worker = worker(&world, &store, &log).await;
    world
        .stent
        .dispatch(works(Duration::from_secs(10_000)))
        .await
        .unwrap();
    eventually("it runs", async || log.started() == 1).await;
    store.set_down(true);
    world.pass(Duration::from_secs(400)).await;
    let stopped = log.stopped_at.lock().unwrap().clone();
    assert_eq!(stopped.len(), 1);
    assert!(
        stopped[0] < Duration::from_secs(300) && stopped[0] > Duration::from_secs(200),
        "{stopped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_waits_for_a_store_that_is_down_as_long_as_its_lease_lives() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let _worker = worker(&world, &store, &log).await;
    let handle = world
        .stent
        .dispatch(works(Duration::from_secs(10)))
        .await
        .unwrap();
    eventually("it runs", async || log.started() == 1).await;
    store.set_down(true);
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(handle.try_result().await.unwrap(), None);
    store.set_down(false);
    assert_eq!(handle.result().await.unwrap(), 1, "it was not run again");
    assert!(world.elapsed() < Duration::from_secs(150));
}

#[tokio::test(start_paused = true)]
async fn a_worker_survives_an_outage_of_a_day() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let _worker = worker(&world, &store, &log).await;
    let before = world
        .stent
        .dispatch(works(Duration::from_secs(60)))
        .await
        .unwrap();
    eventually("it runs", async || log.started() == 1).await;
    store.set_down(true);
    world.pass(Duration::from_secs(86_400)).await;
    store.set_down(false);
    let after = world.stent.dispatch(works(Duration::ZERO)).await.unwrap();
    assert_eq!(
        before.result().await.unwrap(),
        2,
        "its lease ended in the outage, so it ran again"
    );
    after.result().await.unwrap();
}

/// Never ends; whoever runs it is killed.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_to_commit_lets_no_further_bodies_start() {
    let world = World::new();
    let store = CutStore::slow(Arc::clone(&world.store), Duration::from_secs(60));
    let log = Arc::new(Log::default());
    let calls = std::iter::repeat_n(Duration::ZERO, 20_000).map(works);
    world.stent.dispatch_all(calls).await.unwrap();

    let worker = worker(&world, &store, &log).await;
    world.pass(Duration::from_secs(50)).await;

    let started = log.started();
    assert!(started > 3_000, "{started} bodies");
    assert!(started < 8_000, "{started} bodies ran ahead of the store");
    assert!(worker.stats().claimed < 12_000, "{:?}", worker.stats());
    eventually("all have ended", async || worker.stats().ended == 20_000).await;
    assert_eq!(log.started(), 20_000, "none was done twice");
}

#[tokio::test(start_paused = true)]
async fn batches_gather_while_a_commit_is_on_its_way_and_go_besides_once_they_are_full() {
    for (tasks, at_once) in [(200, 1), (10_000, 3)] {
        let world = World::new();
        let store = CutStore::slow(Arc::clone(&world.store), Duration::from_millis(5));
        let log = Arc::new(Log::default());
        let calls = std::iter::repeat_n(Duration::ZERO, tasks).map(works);
        world.stent.dispatch_all(calls).await.unwrap();

        let worker = worker(&world, &store, &log).await;
        let ended = || worker.stats().ended == tasks as u64;
        eventually("all have ended", async || ended()).await;

        assert_eq!(store.committed_at_once(), at_once, "with {tasks} tasks");
    }
}

#[durable]
async fn calls_and_sleeps() -> stent::Result<u32> {
    let (started, ()) = tokio::try_join!(works(Duration::ZERO), stent::sleep(SECOND))?;
    Ok(started)
}

#[tokio::test(start_paused = true)]
async fn children_and_sleeps_of_a_commit_whose_answer_was_lost_wait_for_no_lease() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Unheard(1));
    let log = Arc::new(Log::default());
    let parent = world.stent.dispatch(calls_and_sleeps()).await.unwrap();

    let worker = worker(&world, &store, &log).await;
    assert_eq!(parent.result().await.unwrap(), 1);

    assert_eq!(log.started(), 1);
    assert!(world.elapsed() < 3 * SECOND, "{:?}", world.elapsed());
    assert_eq!(worker.stats().store_failures, 1);
}

#[durable]
async fn poison(#[state] log: Arc<Log>) -> stent::Result<()> {
    log.started.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

#[durable]
async fn innocent(#[state] log: Arc<Log>) -> stent::Result<u32> {
    // Long enough to be there each time that the poison kills.
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(log.started())
}

#[tokio::test(start_paused = true)]
async fn a_task_that_kills_its_worker_each_time_becomes_a_dead_letter_and_its_neighbours_do_not() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let build = || {
        world
            .worker("worker")
            .register(functions![poison, innocent])
            .state(Arc::clone(&log))
            .lease_duration(Duration::from_secs(2))
    };
    let bad = world.stent.dispatch(poison()).await.unwrap();
    let good = world
        .stent
        .dispatch_all((0..5).map(|_| innocent()))
        .await
        .unwrap();
    // Two crashes make it a suspect, five more condemn it.
    for crash in 1..=7 {
        let worker = build().start().await.unwrap();
        eventually("the poison runs", async || log.started() == crash).await;
        drop(worker);
        world.pass(Duration::from_secs(3)).await;
    }
    let _worker = build().start().await.unwrap();
    let error = bad.result().await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("its worker was lost 7 times"), "{source}");
    for handle in good {
        handle.result().await.unwrap();
    }
    let letters = world.stent.dead_letters(Default::default()).await.unwrap();
    assert_eq!(letters.executions.len(), 1);
}

#[durable(max_concurrent(1, while_waiting = "release"))]
async fn releases(seconds: u64) -> stent::Result<u64> {
    stent::sleep(Duration::from_secs(seconds)).await?;
    Ok(seconds)
}

#[durable(max_concurrent = 1)]
async fn holds(seconds: u64) -> stent::Result<u64> {
    stent::sleep(Duration::from_secs(seconds)).await?;
    Ok(seconds)
}

/// Calls itself under a limit of one: that could only wait for itself.
#[durable(max_concurrent = 1, retry(max_attempts = 1))]
async fn recursive(depth: u32) -> stent::Result<u32> {
    if depth == 0 {
        Ok(0)
    } else {
        recursive(depth - 1).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_while_waiting_unless_the_function_releases_it() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![releases, holds, recursive])
        .start()
        .await
        .unwrap();
    let slow = world
        .stent
        .dispatch_all((0..5).map(|_| releases(100)))
        .await
        .unwrap();
    for handle in slow {
        handle.result().await.unwrap();
    }
    let released = world.elapsed();
    assert!(
        released < Duration::from_secs(110),
        "they wait side by side: {released:?}"
    );
    let slow = world
        .stent
        .dispatch_all((0..5).map(|_| holds(100)))
        .await
        .unwrap();
    for handle in slow {
        handle.result().await.unwrap();
    }
    let held = world.elapsed() - released;
    assert!(
        held >= Duration::from_secs(500),
        "one after the other: {held:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_could_only_wait_for_itself_is_refused_with_an_error_that_says_so() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![releases, holds, recursive])
        .start()
        .await
        .unwrap();
    let error = world.stent.run(recursive(1)).await.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    assert!(text.contains("could only wait for itself"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn higher_priorities_come_first_and_queues_are_kept_apart() {
    let world = World::new();
    let log = Arc::new(Log::default());
    let low = world
        .stent
        .dispatch(works(Duration::from_secs(1)).priority(-5))
        .await
        .unwrap();
    let high = world
        .stent
        .dispatch(works(Duration::from_secs(1)).priority(9))
        .await
        .unwrap();
    let other = world
        .stent
        .dispatch(works(Duration::from_secs(1)).queue("other"))
        .await
        .unwrap();
    let _worker = world
        .worker("worker")
        .register(functions![works])
        .state(Arc::clone(&log))
        .concurrency(1)
        .prefetch(0)
        .queues(["default"])
        .start()
        .await
        .unwrap();
    assert_eq!(low.result().await.unwrap(), 2);
    assert_eq!(high.result().await.unwrap(), 1);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(other.state().await.unwrap(), StateKind::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_one_execution_and_says_when_the_arguments_differ() {
    let world = World::new();
    let first = world
        .stent
        .dispatch(works(Duration::from_secs(1)).idempotency_key("k"))
        .await
        .unwrap();
    let same = world
        .stent
        .dispatch(works(Duration::from_secs(1)).idempotency_key("k"))
        .await
        .unwrap();
    let other = world
        .stent
        .dispatch(works(Duration::from_secs(2)).idempotency_key("k"))
        .await
        .unwrap();
    assert_eq!((first.id(), first.id()), (same.id(), other.id()));
    assert_eq!(first.existing(), None);
    assert_eq!(same.existing().map(|found| found.other_input), Some(false));
    assert_eq!(other.existing().map(|found| found.other_input), Some(true));
}

#[durable(blocking)]
fn blocks(milliseconds: u64, #[state] log: Arc<Log>) -> stent::Result<u64> {
    log.started.fetch_add(1, Ordering::SeqCst);
    #[allow(
        clippy::disallowed_methods,
        reason = "a body that blocks its thread is what is tested"
    )]
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(milliseconds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_blocking_body_delays_no_other_and_keeps_its_lease() {
    let stent = Stent::new(Arc::new(stent_store_memory::MemoryStore::new()));
    let worker = stent
        .worker()
        .register(functions![blocks, far])
        .state(Arc::new(Log::default()))
        .lease_duration(Duration::from_secs(1))
        .start()
        .await
        .unwrap();
    let slow = stent.dispatch(blocks(2_500)).await.unwrap();
    for _ in 0..20 {
        stent.run(far()).await.unwrap();
    }
    assert_eq!(slow.result().await.unwrap(), 2_500);
    assert_eq!(worker.stats().stolen, 0);
    worker.drain().await.unwrap();
}

#[durable(blocking, retry(max_attempts = 1))]
fn blocks_on_another() -> stent::Result<u32> {
    futures_util::FutureExt::now_or_never(far()).expect("it is refused at once")
}

#[tokio::test(start_paused = true)]
async fn a_durable_call_in_a_blocking_body_is_refused() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![blocks_on_another, far])
        .start()
        .await
        .unwrap();
    let error = world.stent.run(blocks_on_another()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("was used in a blocking function"),
        "{source}"
    );
}

/// Holds the slot of the one function and calls the other.
#[durable(max_concurrent = 1, retry(max_attempts = 1))]
async fn crosses_to_right(deep: bool) -> stent::Result<u32> {
    stent::sleep(Duration::from_secs(1)).await?;
    if deep {
        Ok(crosses_to_left(false).await? + 1)
    } else {
        Ok(0)
    }
}

#[durable(max_concurrent = 1, retry(max_attempts = 1))]
async fn crosses_to_left(deep: bool) -> stent::Result<u32> {
    stent::sleep(Duration::from_secs(1)).await?;
    if deep {
        Ok(crosses_to_right(false).await? + 1)
    } else {
        Ok(0)
    }
}

#[tokio::test(start_paused = true)]
async fn crossed_limits_of_two_executions_are_found_and_one_of_them_fails_with_the_cycle() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![crosses_to_left, crosses_to_right])
        .start()
        .await
        .unwrap();
    let left = world.stent.dispatch(crosses_to_left(true)).await.unwrap();
    let right = world.stent.dispatch(crosses_to_right(true)).await.unwrap();
    let (left, right) = (left.result().await, right.result().await);
    let (failed, went_on) = if left.is_err() {
        (left, right)
    } else {
        (right, left)
    };
    assert_eq!(went_on.unwrap(), 1, "the other goes on");
    let mut text = String::new();
    let error = failed.unwrap_err();
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    assert!(text.contains("it could only wait for ever"), "{text}");
    assert!(
        text.contains("`crosses_to_left`") && text.contains("`crosses_to_right`"),
        "{text}"
    );
    assert!(
        world.elapsed() < Duration::from_secs(30),
        "{:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_part_ended_says_so_and_is_not_ready() {
    let world = World::new();
    let store = CutStore::panicking(Arc::clone(&world.store));
    let stent = Stent::new(store as _);
    let worker = || {
        let worker = stent.worker().renew_on_own_thread(false);
        worker.register(functions![far])
    };
    let part_ended = |error: stent::Error| error.to_string().contains("the worker's claimer ended");

    let started = worker().start().await.unwrap();
    eventually("it is not ready", async || !started.is_ready()).await;
    assert!(part_ended(started.drain().await.unwrap_err()));
    assert!(part_ended(worker().serve().await.unwrap_err()));
}

#[durable(max_concurrent(1, while_waiting = "release"))]
async fn releases_for_a_child() -> stent::Result<u32> {
    far().await
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_parent_that_is_suspended_at_once_waits_for_no_lease() {
    let world = World::new();
    let functions = functions![releases_for_a_child, far];
    let _worker = world.worker("w").register(functions).start().await.unwrap();
    assert_eq!(world.stent.run(releases_for_a_child()).await.unwrap(), 7);
    assert!(world.elapsed() < 10 * SECOND, "{:?}", world.elapsed());
}

#[durable]
async fn a_child_beside_a_step(#[state] log: Arc<Log>) -> stent::Result<u32> {
    let child = works(Duration::from_millis(20));
    let step = stent::step("effect", || async {
        log.started.fetch_add(100, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(35)).await;
        Ok::<_, std::io::Error>(1)
    });
    let (child, step) = tokio::join!(child, step);
    Ok(child? + step?)
}

#[tokio::test(start_paused = true)]
async fn a_step_that_ends_while_a_child_is_recorded_is_not_run_again() {
    let world = World::new();
    let store = CutStore::slow(Arc::clone(&world.store), Duration::from_millis(10));
    let log = Arc::new(Log::default());
    let _worker = Stent::new(store as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![a_child_beside_a_step, works])
        .state(Arc::clone(&log))
        .start()
        .await
        .unwrap();
    world.stent.run(a_child_beside_a_step()).await.unwrap();
    assert_eq!(log.started(), 101, "one step and one child");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_dropped_lets_go_of_its_store() {
    let world = World::new();
    let held = Arc::strong_count(&world.store);
    let worker = world.worker("w").register(functions![far]);
    drop(worker.start().await.unwrap());
    eventually("the store is free", async || {
        Arc::strong_count(&world.store) == held
    })
    .await;
}
