//! Failures: retries, panics, timeouts, bad input, dead letters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{prelude::*, store::StateKind};

use crate::support::World;

#[derive(Debug, Default)]
struct Count(AtomicU32);

impl Count {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
    fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("attempt {0} failed")]
struct Flaky(u32);

#[durable]
async fn succeeds_at(attempt: u32, #[state] count: Arc<Count>) -> Result<u32, Flaky> {
    let now = count.next();
    if now < attempt {
        Err(Flaky(now))
    } else {
        Ok(now)
    }
}

#[durable]
async fn panics(#[state] count: Arc<Count>) -> stent::Result<()> {
    panic!("at start {}", count.next());
}

#[durable]
async fn fatal(#[state] count: Arc<Count>) -> stent::Result<()> {
    Err(stent::fatal(Flaky(count.next())))
}

#[durable(retry(
    max_attempts = 4,
    initial_delay = "10s",
    backoff = 3.0,
    max_delay = "60s",
    jitter = 0.0
))]
async fn backs_off(#[state] count: Arc<Count>) -> Result<(), Flaky> {
    Err(Flaky(count.next()))
}

#[durable]
async fn leaf(#[state] count: Arc<Count>) -> Result<(), Flaky> {
    Err(Flaky(count.next()))
}

#[durable]
async fn parent_without_a_policy() -> stent::Result<()> {
    leaf().await
}

#[durable(retry(max_attempts = 2, initial_delay = "1s"))]
async fn parent_with_a_policy() -> stent::Result<()> {
    leaf().await
}

#[durable]
async fn takes_a_number(number: u32) -> stent::Result<u32> {
    Ok(number)
}

#[durable(retry(max_attempts = 1))]
async fn step_then_fail(#[state] count: Arc<Count>) -> stent::Result<u32> {
    let first = stent::step("count", async || Ok::<_, Flaky>(count.next())).await?;
    if count.get() == 1 {
        count.next();
        return Err(stent::fatal(Flaky(0)));
    }
    Ok(first)
}

fn all() -> Vec<&'static stent::FunctionDefinition> {
    functions![
        succeeds_at,
        panics,
        fatal,
        backs_off,
        leaf,
        parent_without_a_policy,
        parent_with_a_policy,
        takes_a_number,
        step_then_fail
    ]
    .into()
}

async fn started(world: &World) -> (Worker, Arc<Count>) {
    let count = Arc::new(Count::default());
    let worker = world
        .worker("worker")
        .register(all())
        .state(Arc::clone(&count))
        .start()
        .await
        .unwrap();
    (worker, count)
}

#[tokio::test(start_paused = true)]
async fn a_function_is_tried_three_times_by_default() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    assert_eq!(world.stent.run(succeeds_at(3)).await.unwrap(), 3);
    count.0.store(0, Ordering::SeqCst);
    let error = world.stent.run(succeeds_at(4)).await.unwrap_err();
    assert_eq!(count.get(), 3);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("attempt 3 failed"), "{source}");
}

#[tokio::test(start_paused = true)]
async fn delays_grow_by_the_factor_up_to_the_longest() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    world.stent.run(backs_off()).await.unwrap_err();
    assert_eq!(count.get(), 4);
    let waited = world.elapsed();
    assert!(
        waited >= Duration::from_secs(10 + 30 + 60) && waited < Duration::from_secs(106),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_like_any_other() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    let error = world.stent.run(panics()).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("at start 3"), "{source}");
    assert_eq!(count.get(), 3);
    assert_eq!(
        world.stent.run(takes_a_number(1)).await.unwrap(),
        1,
        "the worker lives on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_is_not_retried() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    world.stent.run(fatal()).await.unwrap_err();
    assert_eq!(count.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_do_not_multiply_down_a_tree() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    world
        .stent
        .run(parent_without_a_policy())
        .await
        .unwrap_err();
    assert_eq!(
        count.get(),
        3,
        "the leaf had its attempts, the parent is not retried"
    );
}

#[tokio::test(start_paused = true)]
async fn a_parent_with_its_own_policy_runs_the_failed_end_of_its_history_anew() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    world.stent.run(parent_with_a_policy()).await.unwrap_err();
    assert_eq!(count.get(), 6);
}

#[tokio::test(start_paused = true)]
async fn undecodable_input_is_a_dead_letter_at_once_and_not_a_loop() {
    let world = World::new();
    let (_worker, _count) = started(&world).await;
    let mut new = stent::store::NewExecution {
        root: stent::store::NewTask {
            id: stent::store::TaskId::from_parts(stent::store::Timestamp::MIN, &[9; 10]),
            function: "takes_a_number".parse().unwrap(),
            queue: Default::default(),
            priority: Default::default(),
            due: Default::default(),
            input: stent::store::Payload::parse("\"seven\"", 100).unwrap(),
            timeout: None,
            deadline: None,
        },
        idempotency_key: None,
        tags: Vec::new(),
    };
    new.tags.push("bad".parse().unwrap());
    let request = stent::store::DispatchRequest {
        executions: vec![new],
    };
    world.store.dispatch(request).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    let letters = world.stent.dead_letters(Default::default()).await.unwrap();
    assert_eq!(letters.executions.len(), 1);
    assert_eq!(letters.executions[0].root.task.failed_attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_dead_letter_keeps_what_is_finished() {
    let world = World::new();
    let (_worker, count) = started(&world).await;
    let handle = world.stent.dispatch(step_then_fail()).await.unwrap();
    handle.result().await.unwrap_err();
    world.stent.replay_dead_letter(handle.id()).await.unwrap();
    assert_eq!(
        handle.result().await.unwrap(),
        1,
        "the step was not run again"
    );
    assert_eq!(count.get(), 2);
    let page = world.stent.executions(Default::default()).await.unwrap();
    assert_eq!(
        page.executions[0].root.task.state.kind(),
        StateKind::Completed
    );
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_function_is_left_for_others() {
    let world = World::new();
    let handle = world.stent.dispatch(takes_a_number(3)).await.unwrap();
    let other = world
        .worker("other")
        .register(functions![leaf])
        .state(Arc::new(Count::default()));
    let _other = other.start().await.unwrap();
    world.pass(Duration::from_secs(60)).await;
    assert!(handle.try_result().await.unwrap().is_none());
    let (_worker, _count) = started(&world).await;
    assert_eq!(handle.result().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_worker_is_found_before_it_starts() {
    let world = World::new();
    let error = |builder: WorkerBuilder| async { builder.start().await.unwrap_err().to_string() };
    let no_functions = error(world.worker("w")).await;
    assert!(no_functions.contains("no functions"), "{no_functions}");
    let twice = error(
        world
            .worker("w")
            .register(functions![takes_a_number])
            .register(functions![takes_a_number]),
    )
    .await;
    assert!(
        twice.contains("two registered functions are called `takes_a_number`"),
        "{twice}"
    );
    let no_state = error(world.worker("w").register(functions![leaf])).await;
    assert!(
        no_state.contains("needs the state") && no_state.contains("Count"),
        "{no_state}"
    );
    let good = || world.worker("w").register(functions![takes_a_number]);
    for lease in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
        assert!(
            good().lease_duration(lease).start().await.is_err(),
            "{lease:?}"
        );
    }
    assert!(good().concurrency(0).start().await.is_err());
    assert!(good().crash_limit(0).start().await.is_err());
    for poll in [Duration::ZERO, Duration::MAX] {
        assert!(good().poll_interval(poll).start().await.is_err());
    }
    assert!(good().payload_limit(0).start().await.is_err());
    assert!(good().queues([""; 0]).start().await.is_err());
    assert!(
        good()
            .cleanup_interval(Duration::ZERO)
            .start()
            .await
            .is_err()
    );
    assert!(good().name("").start().await.is_err());
    assert!(good().queues(["a\0b"]).start().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn spans_without_bound_are_taken_as_for_ever() {
    let world = World::new();
    let worker = world
        .worker("patient")
        .register(functions![takes_a_number])
        .suspend_after(Duration::MAX)
        .cleanup_interval(Duration::MAX)
        .retention_period(Duration::MAX)
        .drain_grace(Duration::MAX)
        .start()
        .await
        .unwrap();
    world.stent.run(takes_a_number(7)).await.unwrap();
    world.pass(Duration::from_secs(86_400)).await;
    assert!(worker.is_ready());
    worker.drain().await.unwrap();
}
