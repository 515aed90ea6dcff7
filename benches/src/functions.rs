//! The durable functions that are measured: they do nothing, so that all the time is Stent's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use stent::{FunctionDefinition, prelude::*};

use crate::measure::{nanoseconds, now};

/// The smallest task.
#[durable]
pub(crate) async fn noop(number: u64) -> stent::Result<()> {
    let _ = number;
    Ok(())
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

/// Takes a slot of its function for a moment.
#[durable(max_concurrent = 1)]
pub(crate) async fn take_turn(number: u64) -> stent::Result<()> {
    let _ = number;
    Ok(())
}

/// When a body was started.
#[derive(Debug, Default)]
pub(crate) struct Started {
    last: Mutex<Option<Instant>>,
    tell: Option<fn(i64)>,
}

impl Started {
    /// One that tells of each start, by nanoseconds of the monotonic clock.
    pub(crate) fn telling(tell: fn(i64)) -> Self {
        Self {
            tell: Some(tell),
            ..Self::default()
        }
    }

    /// When the last body was started; none since it was asked last.
    pub(crate) fn take(&self) -> Option<Instant> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn set(&self) {
        match self.tell {
            Some(tell) => tell(nanoseconds()),
            None => *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now()),
        }
    }
}

/// Says when it was started.
#[durable]
pub(crate) async fn probe(number: u64, #[state] started: Arc<Started>) -> stent::Result<()> {
    started.set();
    let _ = number;
    Ok(())
}

/// The functions without a limit and without state.
pub(crate) fn plain() -> Vec<&'static FunctionDefinition> {
    functions![noop, call_in_sequence, step_in_sequence, fan_out].into()
}
