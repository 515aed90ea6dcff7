//! Bad input as workers meet it: values that are too large or not what the code expects, versions side by side, functions that nobody has.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{
    prelude::*,
    store::{ExecutionQuery, StateKind},
};
use tracing::{Event, Metadata, Subscriber, field, span};

use crate::support::{World, eventually};

const DAY: Duration = Duration::from_secs(86_400);

/// What an older program had under the same names.
mod old {
    #[stent::durable]
    pub(super) async fn child() -> stent::Result<String> {
        Ok("no number".to_owned())
    }

    #[stent::durable]
    pub(super) async fn steps() -> stent::Result<u32> {
        let text: String = stent::step("read", || async {
            Ok::<_, std::io::Error>("no number".to_owned())
        })
        .await?;
        tokio::time::sleep(super::DAY).await;
        Ok(u32::try_from(text.len()).unwrap())
    }

    #[stent::durable(name = "answers", version = 1)]
    pub(super) async fn answers() -> stent::Result<u32> {
        Ok(1)
    }
}

#[durable]
async fn child() -> stent::Result<u32> {
    Ok(7)
}

#[durable(retry(max_attempts = 1))]
async fn reads_its_child() -> stent::Result<u32> {
    child().await
}

#[durable(retry(max_attempts = 1))]
async fn steps() -> stent::Result<u32> {
    stent::step("read", || async { Ok::<_, std::io::Error>(7) }).await
}

#[durable(name = "answers", version = 2)]
async fn answers() -> stent::Result<u32> {
    Ok(2)
}

#[durable]
async fn returns_bytes(bytes: usize) -> stent::Result<String> {
    Ok("x".repeat(bytes))
}

#[durable]
async fn records_bytes(bytes: usize) -> stent::Result<usize> {
    let step = stent::step("large", || async {
        Ok::<_, std::io::Error>("x".repeat(bytes))
    });
    Ok(step.await?.len())
}

#[durable]
async fn takes(text: String) -> stent::Result<usize> {
    Ok(text.len())
}

#[durable]
async fn passes_bytes(bytes: usize) -> stent::Result<usize> {
    takes("x".repeat(bytes)).await
}

/// An error with all its causes.
fn whole(error: &stent::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn a_childs_result_that_is_not_what_its_caller_expects_is_an_error_that_says_so() {
    let world = World::new();
    let functions = functions![old::child, reads_its_child];
    let _worker = world.worker("w").register(functions).start().await.unwrap();
    let execution = world.stent.dispatch(reads_its_child()).await.unwrap();
    let error = whole(&execution.result().await.unwrap_err());
    assert!(
        error.contains("`child`") && error.contains("invalid type: string"),
        "{error}"
    );
    let tasks = world.stent.tasks(Default::default()).await.unwrap().tasks;
    let states: BTreeMap<_, _> = tasks
        .iter()
        .map(|record| (record.task.function.as_str(), record.task.state.kind()))
        .collect();
    assert_eq!(states["child"], StateKind::Completed, "nothing is lost");
    assert_eq!(states["reads_its_child"], StateKind::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_step_that_is_not_what_the_code_expects_is_an_error_that_says_so() {
    let world = World::new();
    let before = world.worker("old").register(functions![old::steps]);
    let before = before.drain_grace(Duration::ZERO).start().await.unwrap();
    let execution = world.stent.dispatch(old::steps()).await.unwrap();
    world.pass(Duration::from_secs(30)).await;
    before.drain().await.unwrap();

    let _now = world
        .worker("new")
        .register(functions![steps])
        .start()
        .await
        .unwrap();
    let error = whole(&execution.result().await.unwrap_err());
    assert!(
        error.contains("`read`") && error.contains("invalid type: string"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_the_workers_limit_is_refused_with_its_size_and_not_tried_again() {
    let world = World::new();
    let functions = functions![returns_bytes, records_bytes, passes_bytes, takes];
    let worker = world.worker("w").register(functions).payload_limit(100);
    let _worker = worker.start().await.unwrap();
    for too_large in [
        world
            .stent
            .run(returns_bytes(99))
            .await
            .map(|text| text.len()),
        world.stent.run(records_bytes(99)).await,
        world.stent.run(passes_bytes(99)).await,
    ] {
        let error = whole(&too_large.unwrap_err());
        assert!(error.contains("101 bytes; at most 100"), "{error}");
    }
    let failed = world.stent.dead_letters(ExecutionQuery::default()).await;
    for execution in failed.unwrap().executions {
        let task = execution.root.task;
        assert_eq!(task.attempt(), 1, "of `{}`", task.function);
    }
    assert_eq!(world.stent.run(returns_bytes(98)).await.unwrap().len(), 98);
    assert_eq!(world.stent.run(records_bytes(98)).await.unwrap(), 98);
    assert_eq!(world.stent.run(passes_bytes(98)).await.unwrap(), 98);
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_larger_than_the_limit_is_refused_before_it_is_sent() {
    let world = World::new();
    let small = Stent::builder(Arc::clone(&world.store))
        .payload_limit(100)
        .build();
    let execution = world.stent.dispatch(steps()).await.unwrap();
    let sent = small.signal(execution.id(), "go on", &"x".repeat(99)).await;
    let error = whole(&sent.unwrap_err());
    assert!(error.contains("101 bytes; at most 100"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn versions_run_side_by_side_each_on_a_worker_that_has_it() {
    let world = World::new();
    let _old = world
        .worker("old")
        .register(functions![old::answers])
        .start()
        .await
        .unwrap();
    let first = world.stent.dispatch(old::answers()).await.unwrap();
    let second = world.stent.dispatch(answers()).await.unwrap();
    assert_eq!(first.result().await.unwrap(), 1);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(
        second.state().await.unwrap(),
        StateKind::Pending,
        "left for others"
    );

    let _new = world
        .worker("new")
        .register(functions![answers])
        .start()
        .await
        .unwrap();
    assert_eq!(second.result().await.unwrap(), 2);
}

/// Counts the warnings that name a text.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicU32>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl field::Visit for Text {
            fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains("this worker does not have") && text.0.contains("function=takes") {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_function_that_a_worker_does_not_have_is_warned_about_once() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let world = World::new();
    let _execution = world.stent.dispatch(takes("x".to_owned())).await.unwrap();
    let _worker = world
        .worker("w")
        .register(functions![child])
        .start()
        .await
        .unwrap();
    let warned = || warnings.0.load(Ordering::SeqCst);
    eventually("it warns", async || warned() > 0).await;
    world.pass(DAY).await;
    assert_eq!(warned(), 1);
}
