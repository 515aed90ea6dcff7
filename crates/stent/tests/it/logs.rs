//! What is logged: nothing of what calls are about, and nothing that a reader of the log would take for something else.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use stent::prelude::*;
use tracing::{Event, Metadata, Subscriber, field, span};

use crate::support::World;

/// Keeps everything that any crate says at any level.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Line(String);

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut line = Line(String::new());
        attributes.record(&mut line);
        self.0.lock().unwrap().push(line.0);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// What somebody sends who wants a line of their own in the log, and the screen of whoever reads it.
const FORGED: &str = "no\n2026-11-28T12:00:00Z ERROR forged\r\u{1b}[2J\u{202e}\u{9b}31m\u{2028}";

#[durable(retry(max_attempts = 1))]
async fn fails_with(text: String) -> stent::Result<()> {
    Err(stent::Error::other(text))
}

#[durable(retry(max_attempts = 1))]
async fn panics_with(text: String) -> stent::Result<()> {
    panic!("{text}")
}

#[tokio::test(start_paused = true)]
async fn a_failure_forges_no_line_of_the_log() {
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(said.clone());
    let world = World::new();
    let functions = functions![fails_with, panics_with];
    let _worker = world.worker("w").register(functions).start().await.unwrap();
    let forged = FORGED.to_owned();
    world
        .stent
        .run(fails_with(forged.clone()))
        .await
        .unwrap_err();
    world.stent.run(panics_with(forged)).await.unwrap_err();
    let lines = said.lines();
    let about = lines.iter().filter(|line| line.contains("ERROR forged"));
    assert_eq!(about.count(), 2, "{lines:?}");
    for line in lines {
        let steers = |c: char| c.is_control() || "\u{202e}\u{2028}".contains(c);
        assert!(!line.contains(steers), "{line:?}");
    }
}

#[durable]
async fn adds(text: String) -> stent::Result<String> {
    let step = stent::step("read", || async { Ok::<_, std::io::Error>(text.clone()) }).await?;
    let signal: String = stent::signal("go").await?;
    stent::sleep(Duration::from_secs(60)).await?;
    Ok(step + &signal)
}

#[tokio::test(start_paused = true)]
async fn what_calls_are_about_is_not_logged() {
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(said.clone());
    let world = World::new();
    let functions = functions![adds];
    let worker = world.worker("w").register(functions).start().await.unwrap();
    let call = adds("marker".to_owned()).tag("marked");
    let execution = world.stent.dispatch(call).await.unwrap();
    execution.signal("go", "marker").await.unwrap();
    assert_eq!(execution.result().await.unwrap(), "markermarker");
    worker.drain().await.unwrap();
    let lines = said.lines();
    assert!(!lines.is_empty());
    assert!(
        !lines.iter().any(|line| line.contains("marker")),
        "{lines:?}"
    );
}
