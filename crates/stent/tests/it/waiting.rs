//! Waiting: durable sleeps, signals, children, and what it costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use stent::{prelude::*, store::StateKind, worker::HolderClock};
use tokio::sync::Notify;

use crate::support::{VirtualClock, World, eventually};

#[durable]
async fn sleeps_thirty_days() -> stent::Result<u64> {
    let before = stent::now()?;
    stent::sleep(Duration::from_secs(30 * 86_400)).await?;
    Ok(stent::now()?.since(before).as_secs())
}

#[durable]
async fn approval() -> stent::Result<String> {
    stent::signal("approval").await
}

#[durable]
async fn two_in_order() -> stent::Result<(u32, u32)> {
    let first = stent::signal("number").await?;
    let second = stent::signal("number").await?;
    Ok((first, second))
}

#[durable]
async fn gives_up() -> stent::Result<Option<u32>> {
    match stent::signal("never")
        .timeout(Duration::from_secs(60))
        .await
    {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_timeout() => Ok(None),
        Err(error) => Err(error),
    }
}

#[durable]
async fn abandons_then_asks_again() -> stent::Result<u32> {
    tokio::select! {
        biased;
        got = stent::signal::<u32>("late") => got,
        slept = stent::sleep(Duration::from_secs(10)) => {
            slept?;
            stent::signal("late").await
        }
    }
}

fn all() -> Vec<&'static stent::FunctionDefinition> {
    functions![
        sleeps_thirty_days,
        approval,
        two_in_order,
        gives_up,
        abandons_then_asks_again
    ]
    .into()
}

async fn state_of(world: &World, id: stent::ExecutionId) -> StateKind {
    let query = stent::store::ExecutionQuery {
        ids: Some(vec![id]),
        ..Default::default()
    };
    let page = world.stent.executions(query).await.unwrap();
    page.executions[0].root.task.state.kind()
}

#[tokio::test(start_paused = true)]
async fn a_sleep_of_thirty_days_takes_thirty_days_and_no_memory() {
    let world = World::new();
    let worker = world
        .worker("worker")
        .register(all())
        .poll_interval(Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    let handle = world.stent.dispatch(sleeps_thirty_days()).await.unwrap();
    eventually("it is suspended at once", async || {
        state_of(&world, handle.id()).await == StateKind::Suspended
    })
    .await;
    assert!(world.elapsed() < Duration::from_secs(1));
    assert_eq!(worker.leased(), 0);
    let slept = handle.result().await.unwrap();
    assert!((30 * 86_400..30 * 86_400 + 5).contains(&slept), "{slept}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_reaches_a_task_that_waits_in_memory() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    let handle = world.stent.dispatch(approval()).await.unwrap();
    eventually("it runs", async || {
        state_of(&world, handle.id()).await == StateKind::Running
    })
    .await;
    handle.signal("approval", &"yes").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), "yes");
    assert!(world.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_signal_wakes_a_suspended_task() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    let handle = world.stent.dispatch(approval()).await.unwrap();
    eventually("it is suspended", async || {
        state_of(&world, handle.id()).await == StateKind::Suspended
    })
    .await;
    let waited = world.elapsed();
    assert!(
        waited >= Duration::from_secs(5) && waited < Duration::from_secs(7),
        "{waited:?}"
    );
    handle.signal("approval", &"yes").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), "yes");
}

#[tokio::test(start_paused = true)]
async fn signals_that_come_before_anyone_waits_are_kept_in_their_order() {
    let world = World::new();
    let handle = world.stent.dispatch(two_in_order()).await.unwrap();
    handle.signal("number", &1).await.unwrap();
    handle.signal("number", &2).await.unwrap();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    assert_eq!(handle.result().await.unwrap(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_signal_ends_at_its_timeout() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    assert_eq!(world.stent.run(gives_up()).await.unwrap(), None);
    assert!(
        world.elapsed() >= Duration::from_secs(60) && world.elapsed() < Duration::from_secs(62)
    );
}

#[tokio::test(start_paused = true)]
async fn a_signal_after_an_abandoned_wait_goes_to_the_next_that_asks() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    let handle = world
        .stent
        .dispatch(abandons_then_asks_again())
        .await
        .unwrap();
    world.pass(Duration::from_secs(20)).await;
    handle.signal("late", &9).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_signal_to_what_has_ended_is_refused() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(all())
        .start()
        .await
        .unwrap();
    let handle = world.stent.dispatch(gives_up()).await.unwrap();
    handle.result().await.unwrap();
    let error = handle.signal("never", &1).await.unwrap_err().to_string();
    assert!(error.contains("completed"), "{error}");
}

/// Its wait is given up with the failure of the first attempt's step.
#[durable(retry(max_attempts = 2, initial_delay = "1s", jitter = 0))]
async fn waits_beside_a_step(#[state] tries: Arc<AtomicU32>) -> stent::Result<u32> {
    let told = stent::signal("go");
    let step = stent::step("fails once", || async {
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(std::io::Error::other("the first attempt"));
        }
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        Ok(0)
    });
    let first = tokio::select! { biased; told = told => told, step = step => step };
    match first {
        Ok(told) => Ok(told),
        Err(_) => {
            stent::step("fails too", || async {
                Err(std::io::Error::other("no help"))
            })
            .await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_failed_attempt_gave_up_is_begun_anew_by_the_next() {
    let world = World::new();
    let tries = Arc::new(AtomicU32::new(0));
    let worker = world.worker("worker").state(Arc::clone(&tries));
    let worker = worker.register(functions![waits_beside_a_step]);
    let _worker = worker.start().await.unwrap();
    let execution = world.stent.dispatch(waits_beside_a_step()).await.unwrap();
    eventually("it is tried again", async || {
        tries.load(Ordering::SeqCst) == 2
    })
    .await;
    execution.signal("go", &7).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), execution.result()).await;
    assert_eq!(result.expect("the signal is received").unwrap(), 7);
}

/// The virtual clock, and a bell for when it is asked without end: under a worker that spins, virtual time never passes.
#[derive(Debug)]
struct Counted {
    clock: Arc<VirtualClock>,
    asked: AtomicU64,
    spins: Notify,
}

impl HolderClock for Counted {
    fn now(&self) -> Duration {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 10_000 {
            self.spins.notify_one();
        }
        HolderClock::now(&*self.clock)
    }
}

#[durable]
async fn looks_around_before_it_sleeps() -> stent::Result<()> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    stent::sleep("1s").await
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_is_over_before_its_body_asks_for_it_again_keeps_no_worker_busy() {
    let world = World::new();
    let clock = Arc::new(Counted {
        clock: Arc::clone(&world.clock),
        asked: AtomicU64::new(0),
        spins: Notify::new(),
    });
    let worker = world.worker("w").clock(Arc::clone(&clock) as _);
    let _worker = worker
        .suspend_after(Duration::ZERO)
        .register(functions![looks_around_before_it_sleeps])
        .start()
        .await
        .unwrap();
    tokio::select! {
        biased;
        () = clock.spins.notified() => panic!("the worker spins"),
        done = world.stent.run(looks_around_before_it_sleeps()) => done.unwrap(),
    }
}

/// Gives a sleep up for something that is not durable, which takes as long each time it is begun.
#[durable]
async fn is_faster_than_its_sleep() -> stent::Result<String> {
    let first = tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_millis(50)) => "work",
        slept = stent::sleep("800ms") => slept.map(|()| "sleep")?,
    };
    stent::signal::<()>("go").await?;
    Ok(first.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_sleep_that_was_given_up_is_never_over_also_for_a_body_that_is_begun_later() {
    let world = World::new();
    let _worker = world
        .worker("w")
        .suspend_after(Duration::from_secs(1))
        .register(functions![is_faster_than_its_sleep])
        .start()
        .await
        .unwrap();
    let execution = world
        .stent
        .dispatch(is_faster_than_its_sleep())
        .await
        .unwrap();
    eventually("it waits", async || {
        state_of(&world, execution.id()).await == StateKind::Suspended
    })
    .await;
    world.pass(Duration::from_secs(5)).await;
    execution.signal("go", &()).await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(60), execution.result()).await;
    assert_eq!(done.expect("it ends").unwrap(), "work");
}
