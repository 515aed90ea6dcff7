//! The place of one durable operation in the body that made it.
//!
//! **Invariants**
//! * The position is taken when the operation is made, so that the order in which a combinator polls its branches changes nothing.
//! * An operation is begun at most once, and begun and awaited only by the body that made it.
//! * One that is dropped before its outcome was seen is abandoned, but only by its body: a body that is dropped as a whole abandons nothing.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use stent_core::{CallKey, CallPosition, Outcome};

use crate::{
    context::{self, BodyContext, Request, StepStart},
    error::Error,
};

/// Where an operation stands. It takes its position when it is made.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The body that made it, and the position that it took there.
    made: Option<(Arc<dyn BodyContext>, CallPosition)>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Not begun; with a key once one was given, which counts before the position.
    Made(Option<CallKey>),
    /// Its outcome is awaited, at this position.
    Begun(CallPosition),
    /// It gave its value, or cannot give any.
    Ended,
}

impl Ticket {
    /// Takes the next position of the body that is being polled, if one is.
    pub(crate) fn take() -> Self {
        let made = context::current().map(|context| {
            let position = context.reserve();
            (context, position)
        });
        Self {
            made,
            stage: Stage::Made(None),
        }
    }

    /// The size that a payload may have where the operation was made.
    pub(crate) fn payload_limit(&self) -> Option<usize> {
        self.made
            .as_ref()
            .map(|(context, _)| context.payload_limit())
    }

    /// Makes the operation known by a key instead of its position, which is given back.
    pub(crate) fn set_key(&mut self, key: CallKey) {
        let Stage::Made(known_by) = &mut self.stage else {
            return;
        };
        if known_by.replace(key).is_none()
            && let Some((context, position)) = &self.made
        {
            context.release(*position);
        }
    }

    /// The key, if the operation has one and was not begun.
    pub(crate) const fn key(&self) -> Option<&CallKey> {
        match &self.stage {
            Stage::Made(key) => key.as_ref(),
            Stage::Begun(_) | Stage::Ended => None,
        }
    }

    pub(crate) const fn is_begun(&self) -> bool {
        matches!(self.stage, Stage::Begun(_))
    }

    /// The body that made the operation, which must be the one that is being polled.
    fn entered(
        &self,
        name: &dyn fmt::Display,
    ) -> Result<&(Arc<dyn BodyContext>, CallPosition), Error> {
        match (&self.made, context::current()) {
            (Some(made), Some(current)) if Arc::ptr_eq(&made.0, &current) => Ok(made),
            (None, None) => Err(Error::no_body(name)),
            (Some(_) | None, _) => Err(Error::MadeElsewhere {
                operation: name.to_string(),
            }),
        }
    }

    /// Begins the operation in the body that is being polled.
    pub(crate) fn begin(&mut self, name: &dyn fmt::Display, request: Request) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.stage, Stage::Ended);
        let Stage::Made(key) = before else {
            return Err(Error::AwaitedAgain {
                operation: name.to_string(),
            });
        };
        let (context, position) = self.entered(name)?;
        self.stage = Stage::Begun(context.begin(*position, key, request));
        Ok(())
    }

    /// The outcome, once it is this operation's turn.
    pub(crate) fn poll_outcome(
        &mut self,
        name: &dyn fmt::Display,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Outcome, Error>> {
        let outcome = self.with_begun(name, |context, position| context.poll_outcome(position, cx));
        let outcome = match outcome {
            Ok(outcome) => Ok(ready!(outcome)),
            Err(error) => Err(error),
        };
        self.stage = Stage::Ended;
        Poll::Ready(outcome)
    }

    /// Whether a step runs now, or what was recorded of it before.
    pub(crate) fn poll_step(
        &mut self,
        name: &dyn fmt::Display,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StepStart, Error>> {
        let start = self.with_begun(name, |context, position| context.poll_step(position, cx));
        let start = match start {
            Ok(start) => Ok(ready!(start)),
            Err(error) => Err(error),
        };
        if !matches!(start, Ok(StepStart::Run)) {
            self.stage = Stage::Ended;
        }
        Poll::Ready(start)
    }

    /// Hands in the outcome of a step.
    pub(crate) fn finish_step(
        &self,
        name: &dyn fmt::Display,
        outcome: Outcome,
    ) -> Result<(), Error> {
        self.with_begun(name, |context, position| {
            context.finish_step(position, outcome);
        })
    }

    fn with_begun<R>(
        &self,
        name: &dyn fmt::Display,
        ask: impl FnOnce(&dyn BodyContext, CallPosition) -> R,
    ) -> Result<R, Error> {
        let (context, _) = self.entered(name)?;
        match self.stage {
            Stage::Begun(position) => Ok(ask(&**context, position)),
            Stage::Made(_) | Stage::Ended => Err(Error::AwaitedAgain {
                operation: name.to_string(),
            }),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some((made_in, _)) = &self.made
            && let Stage::Begun(position) = self.stage
            && context::current().is_some_and(|current| Arc::ptr_eq(made_in, &current))
        {
            made_in.abandon(position);
        }
    }
}
