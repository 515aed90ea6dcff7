//! The durable functions that are measured: they do nothing, so that all the time is Stent's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use stent::prelude::*;

use crate::{measure::now, processes::say};

/// The smallest task.
#[durable]
pub(crate) async fn noop(number: u64) -> stent::Result<()> {
    let _ = number;
    Ok(())
}

/// Says that it was started to the process that started this one.
#[durable]
pub(crate) async fn tell(number: u64) -> stent::Result<()> {
    let _ = number;
    say("began").map_err(stent::Error::other)
}

/// Children, one after the other.
#[durable]
pub(crate) async fn call_in_sequence(children: u64) -> stent::Result<()> {
    for number in 0..children {
        noop(number).await?;
    }
    Ok(())
}

/// Steps, one after the other.
#[durable]
pub(crate) async fn step_in_sequence(steps: u64) -> stent::Result<()> {
    for number in 0..steps {
        stent::step("nothing", || async move { Ok::<_, stent::Error>(number) }).await?;
    }
    Ok(())
}

/// Children, all at once.
#[durable]
pub(crate) async fn fan_out(children: u64) -> stent::Result<()> {
    noop.map(0..children).await?;
    Ok(())
}

/// Takes the only slot of its function and keeps it.
#[durable(max_concurrent = 1)]
pub(crate) async fn hold(number: u64) -> stent::Result<()> {
    let _ = number;
    std::future::pending().await
}

/// When a body was started.
#[derive(Debug, Default)]
pub(crate) struct Started(Mutex<Option<Instant>>);

impl Started {
    /// When the last body was started; none since it was asked last.
    pub(crate) fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
    }
}

/// Says when it was started.
#[durable]
pub(crate) async fn probe(number: u64, #[state] started: Arc<Started>) -> stent::Result<()> {
    started.set();
    let _ = number;
    Ok(())
}
