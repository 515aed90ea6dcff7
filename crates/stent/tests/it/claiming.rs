//! What a worker claims and lets go of while it is full, and what becomes of a body when the lease is renewed at the last moment.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use stent::{prelude::*, store::StateKind, worker::HolderClock};

use crate::{
    cut::CutStore,
    faults::SECOND,
    support::{VirtualClock, World},
};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

#[durable]
async fn naps(span: Duration) -> stent::Result<()> {
    tokio::time::sleep(span).await;
    Ok(())
}

#[durable(max_concurrent = 1)]
async fn naps_alone(span: Duration) -> stent::Result<()> {
    tokio::time::sleep(span).await;
    Ok(())
}

async fn states(handles: &[Handle<naps>], state: StateKind) -> usize {
    let mut count = 0;
    for handle in handles {
        count += usize::from(handle.state().await.unwrap() == state);
    }
    count
}

/// The first worker has seen many short bodies and claimed as many ahead, when long ones take all its permits.
#[tokio::test(start_paused = true)]
async fn what_was_claimed_ahead_of_long_bodies_goes_to_a_worker_that_is_free() {
    let world = World::new();
    let worker = |name| {
        let worker = world.worker(name).concurrency(4).register(functions![naps]);
        worker.start()
    };
    let spans = std::iter::repeat_n(MILLISECOND, 3_000)
        .chain(std::iter::repeat_n(HOUR, 4))
        .chain(std::iter::repeat_n(MILLISECOND, 300));
    let handles = world.stent.dispatch_all(spans.map(naps)).await.unwrap();
    let busy = worker("busy").await.unwrap();
    world.pass(5 * SECOND).await;
    let long = states(&handles[3_000..3_004], StateKind::Running).await;
    assert_eq!((long, busy.leased()), (4, 4));

    let _free = worker("free").await.unwrap();
    world.pass(5 * SECOND).await;
    assert_eq!(states(&handles, StateKind::Completed).await, 3_300);
}

async fn claims_for(limited: u32, unlimited: u32, concurrency: u32) -> u32 {
    let world = World::new();
    let store = CutStore::slow_to_claim(Arc::clone(&world.store), MILLISECOND);
    let stent = Stent::new(Arc::clone(&store) as _);
    let worker = stent
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .concurrency(concurrency)
        .register(functions![naps, naps_alone]);
    let worker = worker.start().await.unwrap();
    let limited = (0..limited).map(|_| naps_alone(100 * MILLISECOND));
    let unlimited = (0..unlimited).map(|_| naps(100 * MILLISECOND));
    let limited = stent.dispatch_all(limited).await.unwrap();
    let unlimited = stent.dispatch_all(unlimited).await.unwrap();
    for handle in limited {
        handle.result().await.unwrap();
    }
    for handle in unlimited {
        handle.result().await.unwrap();
    }
    worker.drain().await.unwrap();
    store.claims()
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_asks_for_nothing_that_it_cannot_start() {
    for concurrency in [1, 2, 8] {
        for (limited, unlimited) in [(50, 0), (0, 50), (25, 25)] {
            let claims = claims_for(limited, unlimited, concurrency).await;
            assert!(
                claims <= 2 * 50,
                "{claims} claims for {limited} limited and {unlimited} unlimited tasks at concurrency {concurrency}"
            );
        }
    }
}

/// The holder's clock, of which one reading shows the lease as past: the next are those after a renewal was answered.
#[derive(Debug)]
struct GlimpsingClock {
    clock: Arc<VirtualClock>,
    /// Readings until that one; zero: never.
    in_readings: AtomicU64,
    readings: u64,
    polls: AtomicU32,
}

impl GlimpsingClock {
    fn arm(&self) {
        self.in_readings.store(self.readings, Ordering::SeqCst);
    }
}

impl HolderClock for GlimpsingClock {
    fn now(&self) -> Duration {
        let now = HolderClock::now(&*self.clock);
        let one_less = |left: u64| left.checked_sub(1);
        let left = self
            .in_readings
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if left == Ok(1) { now + HOUR } else { now }
    }
}

#[durable]
async fn is_woken_late(#[state] clock: Arc<GlimpsingClock>) -> stent::Result<()> {
    std::future::poll_fn(|cx| {
        if clock.polls.fetch_add(1, Ordering::SeqCst) > 0 {
            return Poll::Ready(());
        }
        clock.arm();
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(())
}

#[durable]
async fn begins_a_step_late(#[state] clock: Arc<GlimpsingClock>) -> stent::Result<()> {
    if clock.polls.fetch_add(1, Ordering::SeqCst) == 0 {
        clock.arm();
    }
    stent::step("late", || async { Ok::<_, std::io::Error>(()) }).await
}

/// Whichever reading it is: the body goes on, or its task is let go of and runs again.
#[tokio::test(start_paused = true)]
async fn no_body_hangs_when_its_lease_is_renewed_at_the_last_moment() {
    for readings in 1..=8 {
        let world = World::new();
        let clock = Arc::new(GlimpsingClock {
            clock: Arc::clone(&world.clock),
            in_readings: AtomicU64::new(0),
            readings,
            polls: AtomicU32::new(0),
        });
        let worker = world
            .worker("w")
            .clock(Arc::clone(&clock) as _)
            .register(functions![is_woken_late, begins_a_step_late])
            .state(Arc::clone(&clock));
        let _worker = worker.start().await.unwrap();
        let woken = world.stent.dispatch(is_woken_late()).await.unwrap();
        let result = tokio::time::timeout(HOUR, woken.result()).await;
        assert!(
            matches!(result, Ok(Ok(()))),
            "reading {readings}: {result:?}"
        );
        clock.polls.store(0, Ordering::SeqCst);
        let step = world.stent.dispatch(begins_a_step_late()).await.unwrap();
        let result = tokio::time::timeout(HOUR, step.result()).await;
        assert!(
            matches!(result, Ok(Ok(()))),
            "a step, reading {readings}: {result:?}"
        );
    }
}
