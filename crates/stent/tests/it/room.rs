//! What a worker takes on, starts and lets go of when its store is slow, its process was paused, or many ask at once.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use stent::{
    prelude::*,
    store::{Hint, Outcome, StateKind, defaults},
    worker::HolderClock,
};

use crate::{
    cut::{Cut, CutStore, Histories},
    faults::{Log, SECOND, worker, works},
    support::{VirtualClock, World, eventually},
};

#[durable]
async fn calls_eight() -> stent::Result<usize> {
    let children = works.map([1_000 * SECOND; 8]);
    Ok(children.await?.len())
}

#[tokio::test(start_paused = true)]
async fn parents_that_ask_at_once_start_no_more_children_than_there_is_room_for() {
    let world = World::new();
    let worker = world
        .worker("w")
        .concurrency(8)
        .register(functions![calls_eight, works])
        .state(Arc::new(Log::default()));
    let parents = (0..4).map(|_| calls_eight());
    let _parents = world.stent.dispatch_all(parents).await.unwrap();
    let worker = worker.start().await.unwrap();
    world.pass(SECOND).await;
    assert_eq!(worker.leased(), 4 + 8);
}

#[durable]
async fn calls_eight_later() -> stent::Result<usize> {
    tokio::time::sleep(SECOND / 2).await;
    Ok(works.map([1_000 * SECOND; 8]).await?.len())
}

#[tokio::test(start_paused = true)]
async fn what_is_being_claimed_and_what_parents_start_share_the_room() {
    let world = World::new();
    let store = CutStore::slow_to_claim(Arc::clone(&world.store), SECOND);
    let worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .concurrency(8)
        .prefetch(0)
        .poll_interval(600 * SECOND)
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![calls_eight_later, works])
        .state(Arc::new(Log::default()));
    let parent = world.stent.dispatch(calls_eight_later()).await.unwrap();
    let worker = worker.start().await.unwrap();
    eventually("the parent runs", async || worker.leased() == 1).await;
    let others = (0..8).map(|_| works(1_000 * SECOND));
    let _others = world.stent.dispatch_all(others).await.unwrap();
    world.pass(3 * SECOND).await;
    assert_eq!(parent.state().await.unwrap(), StateKind::Running);
    assert_eq!(worker.leased(), 1 + 8);
}

/// The holder's clock, which jumps when the process was paused.
#[derive(Debug)]
struct JumpingClock {
    clock: Arc<VirtualClock>,
    paused_secs: AtomicU64,
    runs: AtomicU32,
}

impl JumpingClock {
    fn new(world: &World) -> Self {
        Self {
            clock: Arc::clone(&world.clock),
            paused_secs: AtomicU64::new(0),
            runs: AtomicU32::new(0),
        }
    }

    fn jump(&self) {
        self.paused_secs.store(3_600, Ordering::SeqCst);
    }
}

impl HolderClock for JumpingClock {
    fn now(&self) -> Duration {
        let paused = Duration::from_secs(self.paused_secs.load(Ordering::SeqCst));
        HolderClock::now(&*self.clock).saturating_add(paused)
    }
}

#[durable]
async fn is_paused_before_its_step(#[state] clock: Arc<JumpingClock>) -> stent::Result<u32> {
    clock.runs.fetch_add(1, Ordering::SeqCst);
    clock.jump();
    let effect = || async { Ok::<_, std::io::Error>(clock.runs.load(Ordering::SeqCst)) };
    stent::step("effect", effect).await
}

#[tokio::test(start_paused = true)]
async fn no_step_begins_after_a_pause_longer_than_the_lease() {
    let world = World::new();
    let clock = Arc::new(JumpingClock::new(&world));
    let worker = world
        .worker("w")
        .clock(Arc::clone(&clock) as _)
        .register(functions![is_paused_before_its_step])
        .state(Arc::clone(&clock));
    let _worker = worker.start().await.unwrap();
    let run_with_effect = world.stent.run(is_paused_before_its_step()).await;
    assert_eq!(run_with_effect.unwrap(), 2);
}

#[durable(blocking)]
fn blocks(#[state] clock: Arc<JumpingClock>) -> stent::Result<()> {
    clock.runs.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// One thread for async bodies and one for blocking ones, so that what waits for which is known.
#[test]
fn no_blocking_body_begins_after_a_pause_longer_than_the_lease() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build();
    runtime.unwrap().block_on(async {
        let (end_other, other_ends) = std::sync::mpsc::channel::<()>();
        let other = tokio::task::spawn_blocking(move || other_ends.recv());
        let world = World::new();
        let clock = Arc::new(JumpingClock::new(&world));
        let worker = world
            .worker("w")
            .clock(Arc::clone(&clock) as _)
            .register(functions![blocks])
            .state(Arc::clone(&clock));
        let worker = worker.start().await.unwrap();
        let _execution = world.stent.dispatch(blocks()).await.unwrap();
        eventually("it waits for a thread", async || worker.leased() == 1).await;
        clock.jump();
        end_other.send(()).unwrap();
        other.await.unwrap().unwrap();
        eventually("it is given up", async || worker.leased() == 0).await;
        assert_eq!(clock.runs.load(Ordering::SeqCst), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_no_claim_longer_than_its_grace_period() {
    let world = World::new();
    let store = CutStore::slow_to_claim(Arc::clone(&world.store), 3_600 * SECOND);
    let worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .drain_grace(10 * SECOND)
        .register(functions![calls_eight]);
    let worker = worker.start().await.unwrap();
    eventually("it claims", async || store.claims() == 1).await;
    worker.drain().await.unwrap();
    assert!(world.elapsed() < 11 * SECOND, "{:?}", world.elapsed());
}

async fn contradicted(histories: Histories) -> (World, Arc<CutStore>, Worker, Handle<calls_eight>) {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .drain_grace(10 * SECOND)
        .register(functions![calls_eight, works])
        .state(Arc::new(Log::default()));
    let worker = worker.start().await.unwrap();
    store.contradict(histories);
    let execution = world.stent.dispatch(calls_eight()).await.unwrap();
    eventually("it writes", async || store.commits() == 1).await;
    world.pass(SECOND).await;
    (world, store, worker, execution)
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_on_once_its_history_can_be_read_again() {
    let (world, store, worker, _execution) = contradicted(Histories::Hidden).await;
    assert_eq!(worker.leased(), 1);
    store.set_histories(Histories::Shown);
    eventually("its children run", async || worker.leased() == 1 + 8).await;
    assert!(world.elapsed() < 10 * SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_history_cannot_be_read_is_given_back_by_a_drain() {
    for histories in [Histories::Hidden, Histories::Unanswered] {
        let (world, _store, worker, execution) = contradicted(histories).await;
        let before = world.elapsed();
        worker.drain().await.unwrap();
        let took = world.elapsed().saturating_sub(before);
        assert!(took < 11 * SECOND, "{histories:?}: {took:?}");
        assert_eq!(execution.state().await.unwrap(), StateKind::Pending);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_history_cannot_be_read_is_cancelled_within_a_poll() {
    for histories in [Histories::Hidden, Histories::Unanswered] {
        let (world, _store, _worker, execution) = contradicted(histories).await;
        execution.cancel().await.unwrap();
        world.pass(2 * SECOND).await;
        assert_eq!(
            execution.state().await.unwrap(),
            StateKind::Cancelled,
            "{histories:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_history_is_lost_is_not_held_on_to() {
    let (_world, store, worker, execution) = contradicted(Histories::Lost).await;
    eventually("it is let go of", async || worker.leased() == 0).await;
    assert_eq!(store.commits(), 1);
    assert_eq!(execution.state().await.unwrap(), StateKind::Running);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_bodies_finish_although_the_claimer_has_ended() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let worker = worker(&world, &store, &log).await;
    let execution = world.stent.dispatch(works(10 * SECOND)).await.unwrap();
    eventually("it runs", async || log.started() == 1).await;
    store.panic_at_claims();
    eventually("the claimer has ended", async || !worker.is_ready()).await;
    let error = worker.drain().await.unwrap_err().to_string();
    assert!(error.contains("claimer"), "{error}");
    assert_eq!(execution.state().await.unwrap(), StateKind::Completed);
    assert!(world.elapsed() < 11 * SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_commit_any_more_takes_nothing_and_lets_go_of_all() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let log = Arc::new(Log::default());
    let worker = worker(&world, &store, &log).await;
    let quick = world.stent.dispatch(works(10 * SECOND)).await.unwrap();
    let slow = world.stent.dispatch(works(3_600 * SECOND)).await.unwrap();
    eventually("they run", async || log.started() == 2).await;
    store.panic_at_commits();
    eventually("the committer has ended", async || !worker.is_ready()).await;
    eventually("it lets go", async || worker.leased() == 0).await;
    let late = world.stent.dispatch(works(SECOND)).await.unwrap();
    world.pass(400 * SECOND).await;
    assert_eq!(log.started(), 2);
    for (execution, state) in [
        (quick, StateKind::Running),
        (slow, StateKind::Running),
        (late, StateKind::Pending),
    ] {
        assert_eq!(execution.state().await.unwrap(), state);
    }
    let error = worker.drain().await.unwrap_err().to_string();
    assert!(error.contains("committer"), "{error}");
}

/// As large as a payload may be.
fn large() -> String {
    "x".repeat(defaults::PAYLOAD_MAX_BYTES - 2)
}

#[durable]
async fn takes_much(text: String) -> stent::Result<usize> {
    Ok(text.len())
}

#[durable]
async fn calls_with_much() -> stent::Result<usize> {
    Ok(takes_much.map((0..9).map(|_| large())).await?.len())
}

#[durable]
async fn returns_much(_number: u32) -> stent::Result<String> {
    Ok(large())
}

#[durable]
async fn is_given_much() -> stent::Result<usize> {
    Ok(returns_much.map(0..9).await?.len())
}

#[durable]
async fn records_much() -> stent::Result<usize> {
    let effect = || async { Ok::<_, std::io::Error>(large()) };
    let steps = (0..9).map(|_| stent::step("much", effect));
    Ok(futures_util::future::try_join_all(steps).await?.len())
}

#[tokio::test(start_paused = true)]
async fn no_commit_grows_with_how_much_one_body_calls_records_and_is_given() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .register(functions![
            calls_with_much,
            takes_much,
            is_given_much,
            returns_much,
            records_much
        ]);
    let _worker = worker.start().await.unwrap();
    assert_eq!(world.stent.run(calls_with_much()).await.unwrap(), 9);
    assert_eq!(world.stent.run(is_given_much()).await.unwrap(), 9);
    assert_eq!(world.stent.run(records_much()).await.unwrap(), 9);
    let largest = store.largest_commit();
    assert!(largest <= 4 * defaults::COMMIT_BATCH_BYTES, "{largest}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_starts_as_soon_as_its_store_is_back_and_not_without_it() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let start = || {
        let stent = Stent::new(Arc::clone(&store) as _);
        stent.worker().register(functions![calls_eight]).start()
    };
    store.set_down(true);
    let error = start().await.unwrap_err().to_string();
    assert!(world.elapsed() >= 30 * SECOND, "{:?}", world.elapsed());
    assert!(error.contains("store"), "{error}");

    let starting = tokio::spawn(start());
    world.pass(10 * SECOND).await;
    store.set_down(false);
    starting.await.unwrap().unwrap().drain().await.unwrap();
}

/// Counts how often it is begun.
#[durable]
async fn counts_its_beginnings(#[state] begun: Arc<AtomicU32>) -> stent::Result<()> {
    begun.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// What a worker was told while the end of a task was on its way to the store counts when the store does not take it.
#[tokio::test(start_paused = true)]
async fn a_body_whose_end_is_refused_after_its_cancel_is_not_begun_again() {
    let world = World::new();
    // Answered between two renewals, which would tell of the cancel again.
    let store = CutStore::slow(Arc::clone(&world.store), 10 * SECOND + SECOND / 4);
    store.contradict(Histories::Shown);
    let begun = Arc::new(AtomicU32::new(0));
    let _worker = Stent::new(Arc::clone(&store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .lease_duration(3 * SECOND)
        .register(functions![counts_its_beginnings])
        .state(Arc::clone(&begun))
        .start()
        .await
        .unwrap();
    let execution = world.stent.dispatch(counts_its_beginnings()).await.unwrap();
    eventually("it has begun", async || begun.load(Ordering::SeqCst) == 1).await;
    execution.cancel().await.unwrap();
    let ended = execution.untyped().outcome().await.unwrap().1;
    assert_eq!(ended, Outcome::Cancelled);
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

/// Does something for as long as nobody opens the gate.
#[durable]
async fn works_for(span: Duration) -> stent::Result<()> {
    tokio::time::sleep(span).await;
    Ok(())
}

#[durable]
async fn waits_for_a_word() -> stent::Result<u32> {
    stent::signal("word").await
}

fn short_leases(world: &World, store: &Arc<CutStore>, lease: Duration) -> WorkerBuilder {
    Stent::new(Arc::clone(store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .lease_duration(lease)
        .suspend_after(3_600 * SECOND)
        .register(functions![works_for, waits_for_a_word])
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_when_about_a_third_of_it_is_over() {
    let world = World::new();
    let store = CutStore::new(Arc::clone(&world.store), Cut::Never);
    let worker = short_leases(&world, &store, 60 * SECOND);
    let _worker = worker.start().await.unwrap();
    world.stent.run(works_for(600 * SECOND)).await.unwrap();
    assert!(
        (29..=40).contains(&store.renewals()),
        "{}",
        store.renewals()
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_costs_its_neighbours_neither_their_leases_nor_their_news() {
    let world = World::new();
    let store = CutStore::deaf(Arc::clone(&world.store));
    let worker = short_leases(&world, &store, 3 * SECOND)
        .start()
        .await
        .unwrap();
    let spoilt = world.stent.dispatch(waits_for_a_word()).await.unwrap();
    let waits = world.stent.dispatch(waits_for_a_word()).await.unwrap();
    let works = world.stent.dispatch(works_for(20 * SECOND)).await.unwrap();
    eventually("all are here", async || worker.leased() == 3).await;
    store.spoil(spoilt.id().root());
    world.pass(10 * SECOND).await;
    waits.signal("word", &7).await.unwrap();
    assert_eq!(waits.result().await.unwrap(), 7);
    assert!(world.elapsed() < 15 * SECOND, "{:?}", world.elapsed());
    works.result().await.unwrap();
    let task = works.untyped().record().await.unwrap().root.task;
    assert_eq!(task.crashes.total, 0, "its lease was renewed");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_late_in_the_interval_cleans_up_when_it_is_due() {
    let world = World::new();
    let hour = 3_600 * SECOND;
    let worker = |name| {
        let worker = world.worker(name).register(functions![works_for]);
        worker
            .cleanup_interval(hour)
            .retention_period(SECOND)
            .start()
    };
    let first = worker("first").await.unwrap();
    world.pass(SECOND).await;
    world.stent.run(works_for(SECOND)).await.unwrap();
    first.drain().await.unwrap();
    world.pass(50 * 60 * SECOND).await;
    let _second = worker("second").await.unwrap();
    world.pass(11 * 60 * SECOND).await;
    let left = world.stent.executions(Default::default()).await.unwrap();
    assert!(left.executions.is_empty(), "{left:?}");
}

/// Who was polled after the first of two words, in this order.
#[derive(Debug, Default)]
struct Turns(Mutex<Vec<u32>>);

#[durable]
async fn waits_for_two_words(number: u32, #[state] turns: Arc<Turns>) -> stent::Result<()> {
    let mut words: FuturesUnordered<_> = ["first", "second"]
        .map(stent::signal::<()>)
        .into_iter()
        .collect();
    words.next().await.transpose()?;
    turns.0.lock().unwrap().push(number);
    words.next().await.transpose()?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_for_its_turn_keeps_its_place_whatever_it_hears_meanwhile() {
    let world = World::new();
    let turns = Arc::new(Turns::default());
    let worker = world
        .worker("w")
        .concurrency(1)
        .suspend_after(3_600 * SECOND)
        .register(functions![waits_for_two_words, works_for])
        .state(Arc::clone(&turns));
    let worker = worker.start().await.unwrap();
    let calls = (1..=3).map(waits_for_two_words);
    let waiting = world.stent.dispatch_all(calls).await.unwrap();
    eventually("all wait", async || worker.leased() == 3).await;
    world.pass(SECOND).await;
    let busy = world.stent.dispatch(works_for(10 * SECOND)).await.unwrap();
    eventually("nobody else has a turn", async || worker.leased() == 4).await;
    for (who, word) in [(0, "first"), (1, "first"), (2, "first"), (0, "second")] {
        waiting[who].signal(word, &()).await.unwrap();
        world.pass(SECOND).await;
    }
    busy.result().await.unwrap();
    eventually("each had its turn", async || {
        turns.0.lock().unwrap().len() == 3
    })
    .await;
    assert_eq!(*turns.0.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn however_often_others_write_the_store_is_asked_for_news_half_of_the_time_at_most() {
    let world = World::new();
    let store = CutStore::slow_to_read(Arc::clone(&world.store), SECOND / 100);
    let worker = short_leases(&world, &store, 60 * SECOND)
        .start()
        .await
        .unwrap();
    let _waits = world.stent.dispatch(waits_for_a_word()).await.unwrap();
    eventually("it is here", async || worker.leased() == 1).await;
    world.pass(SECOND).await;
    let before = store.histories_read();
    for _ in 0..1_000 {
        store.invent(Hint::Anything);
        world.pass(SECOND / 1_000).await;
    }
    let read = store.histories_read() - before;
    assert!(
        (10..=60).contains(&read),
        "{read} times in a second, each for 10 ms"
    );
}

/// Counts who lives.
struct Alive(Arc<AtomicU32>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[durable]
async fn holds_something(#[state] alive: Arc<AtomicU32>) -> stent::Result<u32> {
    alive.fetch_add(1, Ordering::SeqCst);
    let _alive = Alive(Arc::clone(&alive));
    stent::signal("word").await
}

/// From the moment at which the store takes the suspension on, the task may run elsewhere.
#[tokio::test(start_paused = true)]
async fn a_body_is_gone_before_the_store_hears_that_its_task_is_suspended() {
    let world = World::new();
    let store = CutStore::slow(Arc::clone(&world.store), 10 * SECOND);
    let alive = Arc::new(AtomicU32::new(0));
    let worker = short_leases(&world, &store, 60 * SECOND)
        .suspend_after(Duration::ZERO)
        .register(functions![holds_something])
        .state(Arc::clone(&alive));
    let _worker = worker.start().await.unwrap();
    let execution = world.stent.dispatch(holds_something()).await.unwrap();
    eventually("it is on its way", async || store.commits() == 1).await;
    assert_eq!(execution.state().await.unwrap(), StateKind::Running);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    // What happens meanwhile is seen by the body that is begun again.
    execution.signal("word", &5).await.unwrap();
    assert_eq!(execution.result().await.unwrap(), 5);
}
