//! Replay: whatever the shape of a function, a crash at any commit changes nothing about what it returns.

use std::{
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use stent::prelude::*;

use crate::{
    cut::{Cut, CutStore},
    support::{World, eventually},
};

/// A function's shape, as data: what it does, and what it returns of it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
enum Shape {
    Child(u32),
    Step(u32),
    FailingChild(u32),
    Sleep(u64),
    Random,
    Now,
    Sequence(Vec<Shape>),
    Join(Vec<Shape>),
    Unordered(Vec<Shape>),
    Select(Box<Shape>, Box<Shape>),
    Nested(Box<Shape>),
}

#[durable]
async fn child(number: u32) -> stent::Result<u32> {
    // Children end in another order than they began.
    tokio::time::sleep(Duration::from_millis(u64::from(number * 7 % 5))).await;
    Ok(number)
}

#[durable(retry(max_attempts = 1))]
async fn failing_child(number: u32) -> stent::Result<u32> {
    tokio::time::sleep(Duration::from_millis(u64::from(number % 3))).await;
    Err(stent::fatal(std::io::Error::other(format!(
        "child {number}"
    ))))
}

/// What steps did, and which values a body saw: kept outside the store.
#[derive(Debug, Default)]
struct Seen {
    values: Mutex<Vec<String>>,
}

#[durable]
async fn run_shape(shape: Shape, #[state] seen: Arc<Seen>) -> stent::Result<String> {
    run(&shape, &seen).await
}

fn run<'a>(
    shape: &'a Shape,
    seen: &'a Arc<Seen>,
) -> std::pin::Pin<Box<dyn Future<Output = stent::Result<String>> + Send + 'a>> {
    Box::pin(async move {
        Ok(match shape {
            Shape::Child(n) => format!("child {}", child(*n).await?),
            Shape::FailingChild(n) => match failing_child(*n).await {
                Ok(value) => format!("unexpected {value}"),
                Err(error) => format!("{error}"),
            },
            Shape::Step(n) => {
                let value = stent::step("step", async || Ok::<_, std::io::Error>(n * 2)).await?;
                format!("step {value}")
            }
            Shape::Sleep(ms) => {
                stent::sleep(Duration::from_millis(*ms)).await?;
                format!("slept {ms}")
            }
            Shape::Random => {
                let value = stent::random::<u64>()?;
                let again = stent::step("use", async || Ok::<_, std::io::Error>(value)).await?;
                assert_eq!(value, again, "a step saw another value than the body");
                seen.values.lock().unwrap().push(format!("random {value}"));
                "random".to_owned()
            }
            Shape::Now => {
                let before = stent::now()?;
                let after = stent::now()?;
                assert!(before <= after);
                "now".to_owned()
            }
            Shape::Sequence(shapes) => {
                let mut all = Vec::new();
                for shape in shapes {
                    all.push(run(shape, seen).await?);
                }
                format!("[{}]", all.join(", "))
            }
            Shape::Join(shapes) => {
                let all =
                    futures_util::future::try_join_all(shapes.iter().map(|shape| run(shape, seen)))
                        .await?;
                format!("({})", all.join(" & "))
            }
            Shape::Unordered(shapes) => {
                let mut running: FuturesUnordered<_> =
                    shapes.iter().map(|shape| run(shape, seen)).collect();
                let mut all = Vec::new();
                while let Some(value) = running.next().await {
                    all.push(value?);
                }
                all.sort();
                format!("{{{}}}", all.join(" | "))
            }
            Shape::Select(a, b) => {
                // Which side wins depends on time, so only that one of them did is returned.
                tokio::select! {
                    biased;
                    a = run(a, seen) => { a?; }
                    b = run(b, seen) => { b?; }
                }
                "one of two".to_owned()
            }
            Shape::Nested(shape) => run_shape((**shape).clone()).await?,
        })
    })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        (0u32..9).prop_map(Shape::Child),
        (0u32..9).prop_map(Shape::Step),
        (0u32..9).prop_map(Shape::FailingChild),
        (0u64..20).prop_map(Shape::Sleep),
        Just(Shape::Random),
        Just(Shape::Now),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Sequence),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Join),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Unordered),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| Shape::Select(Box::new(a), Box::new(b))),
            inner.prop_map(|shape| Shape::Nested(Box::new(shape))),
        ]
    })
}

fn functions() -> Vec<&'static stent::FunctionDefinition> {
    functions![child, failing_child, run_shape].into()
}

async fn start(world: &World, store: Arc<dyn stent::store::Store>, name: &str) -> Worker {
    Stent::new(store)
        .worker()
        .name(name)
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .lease_duration(Duration::from_secs(2))
        .register(functions())
        .state(Arc::new(Seen::default()))
        .start()
        .await
        .unwrap()
}

/// What a shape returns when nothing goes wrong.
async fn undisturbed(shape: &Shape) -> String {
    let world = World::new();
    let _worker = start(&world, Arc::clone(&world.store), "calm").await;
    world.stent.run(run_shape(shape.clone())).await.unwrap()
}

/// What it returns when its first worker is cut off, and whether the cut was reached.
async fn disturbed(shape: &Shape, cut: Cut) -> (String, bool) {
    let world = World::new();
    let cut_off = CutStore::new(Arc::clone(&world.store), cut);
    let first = start(&world, Arc::clone(&cut_off) as _, "first").await;
    let handle = world
        .stent
        .dispatch(run_shape(shape.clone()))
        .await
        .unwrap();
    let done = handle.result();
    tokio::pin!(done);
    let early = tokio::select! {
        biased;
        result = &mut done => Some(result),
        () = reached(&cut_off) => None,
    };
    drop(first);
    if let Some(result) = early {
        return (result.unwrap(), cut_off.is_cut());
    }
    let _second = start(&world, Arc::clone(&world.store), "second").await;
    (done.await.unwrap(), true)
}

async fn reached(store: &CutStore) {
    while !store.is_cut() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Shapes that are tried: few in a test run, more when `PROPTEST_CASES` says so.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_crash_at_any_commit_changes_nothing_about_the_result(shape in shapes()) {
        a_crash_changes_nothing(&shape);
    }
}

/// Compares the results of runs that are cut before and after each commit with that of an undisturbed one.
fn a_crash_changes_nothing(shape: &Shape) {
    let expected = block_on(undisturbed(shape));
    for n in 1.. {
        let (before, reached) = block_on(disturbed(shape, Cut::Before(n)));
        assert_eq!(before, expected, "cut before commit {n}");
        let (after, _) = block_on(disturbed(shape, Cut::After(n)));
        assert_eq!(after, expected, "cut after commit {n}");
        if !reached {
            break;
        }
    }
}

/// `FuturesUnordered` stops when two of those in it have woken themselves, and wakes itself for the rest. All of them make their calls before the body
/// is given an outcome, in a replay too, where the outcome is there from the beginning.
#[test]
fn what_a_body_does_by_its_own_wakes_comes_before_its_next_outcome() {
    let children = |numbers: &[u32]| {
        let children = numbers.iter().map(|number| Shape::Child(*number));
        Shape::Unordered(children.collect())
    };
    let others = Shape::Unordered(vec![children(&[2]), children(&[4, 7]), Shape::Child(9)]);
    let first = Shape::Select(Box::new(Shape::Child(5)), Box::new(others));
    a_crash_changes_nothing(&Shape::Sequence(vec![first, Shape::Child(1)]));
}

#[durable]
async fn at_once(number: u32) -> stent::Result<u32> {
    Ok(number)
}

#[durable]
async fn spins() -> stent::Result<u32> {
    let spin = std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        Poll::<stent::Result<u32>>::Pending
    });
    tokio::select! {
        biased;
        number = at_once(7) => number,
        number = spin => number,
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_wakes_itself_for_ever_is_given_its_outcomes_all_the_same() {
    let world = World::new();
    let _worker = world
        .worker("worker")
        .register(functions![at_once, spins])
        .start()
        .await
        .unwrap();
    assert_eq!(world.stent.run(spins()).await.unwrap(), 7);
}

#[durable]
async fn twins() -> stent::Result<Vec<u32>> {
    let mut order = Vec::new();
    let mut running: FuturesUnordered<_> = (0..6).map(child).collect();
    while let Some(value) = running.next().await {
        order.push(value?);
    }
    // What follows sees the same order again after a crash, or the history would not match.
    for number in &order {
        child(100 + number).await?;
    }
    Ok(order)
}

#[tokio::test(start_paused = true)]
async fn the_order_in_which_outcomes_came_is_the_order_in_which_they_come_again() {
    for n in 1..=14 {
        let world = World::new();
        let cut_off = CutStore::new(Arc::clone(&world.store), Cut::After(n));
        let worker = |store: Arc<dyn stent::store::Store>, name: &str| {
            Stent::new(store)
                .worker()
                .name(name)
                .clock(Arc::clone(&world.clock) as _)
                .renew_on_own_thread(false)
                .lease_duration(Duration::from_secs(2))
                .register(functions![child, twins])
        };
        let first = worker(Arc::clone(&cut_off) as _, "first")
            .start()
            .await
            .unwrap();
        let handle = world.stent.dispatch(twins()).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
        drop(first);
        let _second = worker(Arc::clone(&world.store), "second")
            .start()
            .await
            .unwrap();
        let order = handle.result().await.unwrap();
        let history = world
            .store
            .history(vec![stent::store::HistoryRequest {
                task: handle.id().root(),
                after: Default::default(),
                whole: false,
            }])
            .await
            .unwrap();
        let recorded: Vec<_> = history[0].entries[..6]
            .iter()
            .map(|entry| entry.head.position.0 - 1)
            .collect();
        assert_eq!(order, recorded, "cut after commit {n}");
    }
}

#[durable]
async fn changed(version: u32) -> stent::Result<u32> {
    Ok(version)
}

/// The same function in a later version of a program, which calls something else.
mod later {
    use super::*;

    #[durable(name = "first_calls_a")]
    pub(super) async fn first_calls_b() -> stent::Result<u32> {
        stent::step("b", async || Ok::<_, std::io::Error>(1)).await
    }
}

#[durable]
async fn first_calls_a() -> stent::Result<u32> {
    changed(1).await?;
    stent::signal("never").await
}

#[tokio::test(start_paused = true)]
async fn code_that_does_not_match_its_history_fails_with_both_sides_and_loses_nothing() {
    let world = World::new();
    let handle = world.stent.dispatch(first_calls_a()).await.unwrap();
    let old = world
        .worker("old")
        .register(functions![first_calls_a, changed])
        .start()
        .await
        .unwrap();
    world.pass(Duration::from_secs(20)).await;
    old.drain().await.unwrap();
    let new = world
        .worker("new")
        .register(functions![later::first_calls_b, changed])
        .start()
        .await
        .unwrap();
    handle.signal("wake", &1).await.unwrap();
    world.stent.dispatch(changed(2)).await.unwrap();
    // Nothing wakes it before its signal comes.
    handle.signal("never", &5).await.unwrap();
    let error = handle.result().await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("call of `changed`") && source.contains("step `b`"),
        "{source}"
    );
    drop(new);
    world.stent.replay_dead_letter(handle.id()).await.unwrap();
    let _old = world
        .worker("old again")
        .register(functions![first_calls_a, changed])
        .start()
        .await
        .unwrap();
    assert_eq!(
        handle.result().await.unwrap(),
        5,
        "the binary that matches goes on with the same history"
    );
}

#[derive(Debug, Default)]
struct Keys(Mutex<Vec<String>>);

#[durable]
async fn shows_its_keys(#[state] shown: Arc<Keys>) -> stent::Result<()> {
    let keys = (stent::uuid()?, stent::uuid()?);
    let begun = {
        let mut shown = shown.0.lock().unwrap();
        shown.push(format!("{} {}", keys.0, keys.1));
        shown.len()
    };
    if begun == 1 {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The first worker is gone before it recorded anything.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_never_recorded_is_the_same_after_a_crash_and_of_no_other_call() {
    let world = World::new();
    let shown = Arc::new(Keys::default());
    let worker = |name| {
        let worker = world.worker(name).register(functions![shows_its_keys]);
        worker.state(Arc::clone(&shown)).start()
    };
    let execution = world.stent.dispatch(shows_its_keys()).await.unwrap();
    let lost = worker("lost").await.unwrap();
    eventually("it has shown its keys", async || {
        !shown.0.lock().unwrap().is_empty()
    })
    .await;
    drop(lost);
    let _other = worker("other").await.unwrap();
    execution.result().await.unwrap();
    world.stent.run(shows_its_keys()).await.unwrap();
    let shown = shown.0.lock().unwrap();
    assert_eq!(shown.len(), 3);
    assert_eq!(shown[0], shown[1]);
    assert_ne!(shown[0], shown[2], "of another task");
    let (first, second) = shown[0].split_once(' ').unwrap();
    assert_ne!(first, second, "of another call");
}
