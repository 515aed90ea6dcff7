//! Side effects that are run in place, and whose outcome is recorded.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use serde::{Serialize, de::DeserializeOwned};
use stent_core::{Failure, FailureKind, Outcome, Payload, StepName};

use crate::{
    call::decode,
    context::{self, Request, StepStart},
    error::{BoxError, Error, Result, failure_of},
    ticket::Ticket,
    wait::{impossible, set_key},
};

type Effect<'a> = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send + 'a>>;
type Start<'a> = Box<dyn FnOnce(usize) -> Effect<'a> + Send + 'a>;

/// Runs a side effect in place and records its outcome: what finished is not run again, after a crash either.
///
/// The effect starts only when everything it was computed from is recorded. A worker that dies before the outcome is recorded leaves it to be
/// run again: the effect is run at least once, its outcome recorded exactly once. It has no retries of its own; those of its function count.
/// Durable operations cannot be used in it.
///
/// It takes its call position when it is made.
///
/// # Errors
/// When awaited: [`Error::StepFailed`] with what was recorded of the effect's error, [`Error::Undecodable`] when what was recorded is no `T`,
/// [`Error::Name`] and [`Error::OutsideDurableFunction`].
///
/// ```
/// # async fn fetch_rate(currency: &str) -> Result<f64, std::io::Error> { Ok(1.0) }
/// # async fn body() -> stent_client::Result<()> {
/// let rate: f64 = stent_client::step("fetch-rate", || fetch_rate("EUR")).await?;
/// # drop(rate);
/// # Ok(())
/// # }
/// ```
pub fn step<'a, T, E, F, Fut>(name: impl AsRef<str>, effect: F) -> Step<'a, T>
where
    T: Serialize + DeserializeOwned,
    E: Into<BoxError>,
    F: FnOnce() -> Fut + Send + 'a,
    Fut: Future<Output = Result<T, E>> + Send + 'a,
{
    let start: Start<'a> = Box::new(move |limit| {
        let effect = effect();
        Box::pin(async move { storable(effect.await, limit) })
    });
    Step {
        ticket: Ticket::take(),
        name: StepName::new(name).map_err(|error| Some(error.into())),
        stage: Stage::Made(start),
        value: PhantomData,
    }
}

/// A side effect whose outcome is recorded; made by [`step`].
///
/// # Cancel safety
/// Dropped while its effect runs, it drops the effect, and nothing is recorded.
#[must_use = "a step does nothing until it is awaited"]
pub struct Step<'a, T> {
    ticket: Ticket,
    /// Or why it is none, until that was said.
    name: Result<StepName, Option<Error>>,
    stage: Stage<'a>,
    value: PhantomData<fn() -> T>,
}

enum Stage<'a> {
    /// Its effect has not begun.
    Made(Start<'a>),
    /// Its effect goes on.
    Running(Effect<'a>),
    /// Its effect is over, here or before; its outcome comes when it is its turn.
    Over,
}

impl<T> Step<'_, T> {
    /// Identifies it by a key instead of by its call position; see [`Call::key`](crate::Call::key).
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        if let Err(error) = set_key(&mut self.ticket, key) {
            self.name = Err(Some(error));
        }
        self
    }

    /// Runs the effect as far as it goes, and hands its outcome in.
    fn poll_effect(
        &mut self,
        name: &dyn fmt::Display,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Outcome>>> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Made(start) => match self.ticket.poll_step(name, cx) {
                    Poll::Pending => {
                        self.stage = Stage::Made(start);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(StepStart::Run)) => {
                        let limit = self.ticket.payload_limit().unwrap_or(usize::MAX);
                        let _effect = context::enter_effect();
                        self.stage = Stage::Running(start(limit));
                    }
                    Poll::Ready(Ok(StepStart::Recorded(outcome))) => {
                        return Poll::Ready(Ok(Some(outcome)));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                },
                Stage::Running(mut effect) => {
                    let polled = {
                        let _effect = context::enter_effect();
                        effect.as_mut().poll(cx)
                    };
                    let Poll::Ready(result) = polled else {
                        self.stage = Stage::Running(effect);
                        return Poll::Pending;
                    };
                    let outcome = match result {
                        Ok(payload) => Outcome::Completed(payload),
                        Err(failure) => Outcome::Failed(failure),
                    };
                    if let Err(error) = self.ticket.finish_step(name, outcome) {
                        return Poll::Ready(Err(error));
                    }
                }
                Stage::Over => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl<T: DeserializeOwned> Future for Step<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let step = match &mut this.name {
            Ok(step) => step.clone(),
            Err(error) => {
                let error = error.take().unwrap_or(Error::AwaitedAgain {
                    operation: "the step".to_owned(),
                });
                return Poll::Ready(Err(error));
            }
        };
        let name = Running(&step);
        if !this.ticket.is_begun()
            && let Err(error) = this.ticket.begin(&name, Request::Step(step.clone()))
        {
            return Poll::Ready(Err(error));
        }
        let recorded = match ready!(this.poll_effect(&name, cx)) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => ready!(this.ticket.poll_outcome(&name, cx)),
            Err(error) => Err(error),
        };
        Poll::Ready(recorded.and_then(|outcome| match outcome {
            Outcome::Completed(payload) => decode(&name, &payload),
            Outcome::Failed(failure) => Err(Error::StepFailed {
                step: step.clone(),
                failure: failure.into(),
            }),
            Outcome::TimedOut(_) | Outcome::Cancelled => Err(impossible(&name, outcome)),
        }))
    }
}

impl<T> fmt::Debug for Step<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a step is spoken of in messages.
struct Running<'a>(&'a StepName);

impl fmt::Display for Running<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step `{}`", self.0)
    }
}

/// What an effect returned, as it is recorded.
fn storable<T: Serialize, E: Into<BoxError>>(
    result: Result<T, E>,
    limit: usize,
) -> Result<Payload, Failure> {
    match result {
        Ok(value) => Payload::encode(&value, limit)
            .map_err(|error| Failure::from_error(FailureKind::UnstorableResult, &error)),
        Err(error) => {
            let error: BoxError = error.into();
            Err(failure_of(&*error, true))
        }
    }
}
