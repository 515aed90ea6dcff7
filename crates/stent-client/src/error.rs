//! What can go wrong for those who define and request durable functions.
//!
//! **Invariant:** a message says what failed, on what, and what to do; what caused it is left to [`std::error::Error::source`].

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use stent_core::{
    ExecutionId, Failure, FailureKind, FunctionName, NameError, Outcome, PayloadError, SignalName,
    StateKind, StepName, StoreError, limit::LimitError,
};

use crate::context::{self, Within};

/// A result with this library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of a program, as an owned value.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// Why a durable operation, or a request to a store, gave no value.
///
/// It is an error like any other: a durable function may return it, and then its own task fails with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A durable function that was called or dispatched failed, and no retry is left for it.
    #[error("`{function}` failed")]
    Failed {
        /// The function.
        function: FunctionName,
        /// What was recorded of it.
        #[source]
        failure: RecordedFailure,
    },
    /// The time of a durable function that was called or dispatched was up, and no retry is left for it.
    #[error("`{function}` timed out")]
    TimedOut {
        /// The function.
        function: FunctionName,
        /// Which time it was.
        #[source]
        failure: RecordedFailure,
    },
    /// A durable function that was called or dispatched was cancelled.
    #[error("`{function}` was cancelled")]
    Cancelled {
        /// The function.
        function: FunctionName,
    },
    /// A step failed.
    #[error("step `{step}` failed")]
    StepFailed {
        /// The step.
        step: StepName,
        /// What was recorded of it.
        #[source]
        failure: RecordedFailure,
    },
    /// No signal came in time.
    #[error("no signal `{signal}` came in time")]
    SignalTimedOut {
        /// The signal.
        signal: SignalName,
    },
    /// A durable operation ended in a way that operations of its kind don't end.
    #[error("{operation} ended as {outcome:?}, which it cannot; is the history damaged?")]
    ImpossibleOutcome {
        /// The operation.
        operation: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A durable operation was awaited where there is no durable function.
    #[error(
        "{operation} was awaited outside any durable function, where nothing records it; a call can be given to `Stent::run` or `Stent::dispatch` instead"
    )]
    OutsideDurableFunction {
        /// The operation.
        operation: String,
    },
    /// A durable operation was used in the effect of a step, which is recorded as a whole.
    #[error("{operation} was used inside a step; do it before or after the step")]
    InsideStep {
        /// The operation.
        operation: String,
    },
    /// A durable operation was used in a blocking function, which cannot wait for it.
    #[error(
        "{operation} was used in a blocking function, which cannot wait for it; make the function async, or do it in the function that calls this one"
    )]
    InsideBlocking {
        /// The operation.
        operation: String,
    },
    /// A durable operation was awaited by another body than the one that made it.
    #[error(
        "{operation} was not made by the durable function that awaits it; make and await it in the same one, and not in a task that it spawns"
    )]
    MadeElsewhere {
        /// The operation.
        operation: String,
    },
    /// A durable operation was awaited after it had given its value.
    #[error("{operation} was awaited again after it had ended; use the value that it gave")]
    AwaitedAgain {
        /// The operation.
        operation: String,
    },
    /// An option of a call means nothing where the call is used.
    #[error("`.{option}(..)` on a call of `{function}` means nothing {place}; leave it out")]
    MisplacedOption {
        /// The function.
        function: FunctionName,
        /// The option.
        option: &'static str,
        /// Where the call was used.
        place: &'static str,
    },
    /// A recorded value is not of the type that was asked for.
    #[error("what was recorded of {operation} cannot be read; it stays as it is")]
    Undecodable {
        /// The operation.
        operation: String,
        /// The type that was asked for, and what was found instead.
        #[source]
        source: PayloadError,
    },
    /// There is no such execution: it never was, or it was cleaned up.
    #[error("there is no execution {execution}; it never was, or it was cleaned up")]
    NoSuchExecution {
        /// The execution.
        execution: ExecutionId,
    },
    /// An execution is one of another function.
    #[error("execution {execution} is one of `{found}`, not of `{expected}`")]
    OtherFunction {
        /// The execution.
        execution: ExecutionId,
        /// The function that was asked for.
        expected: FunctionName,
        /// Its function.
        found: FunctionName,
    },
    /// An execution has ended and takes no signal any more.
    #[error("execution {execution} is {state} already")]
    Ended {
        /// The execution.
        execution: ExecutionId,
        /// Its state.
        state: StateKind,
    },
    /// An execution cannot be replayed, because it has not failed.
    #[error("execution {execution} is no dead letter: it is {state}")]
    NotDeadLetter {
        /// The execution.
        execution: ExecutionId,
        /// Its state.
        state: StateKind,
    },
    /// Some calls of many were dispatched, and the others were not, or maybe not.
    #[error("{dispatched} of {calls} calls were dispatched, in their order, then it failed")]
    PartlyDispatched {
        /// How many of the first calls are dispatched.
        dispatched: usize,
        /// How many there were.
        calls: usize,
        /// Why the next ones were not, or maybe not.
        #[source]
        source: Box<Error>,
    },
    /// A text is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A text is no duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A value cannot be kept.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A number is no limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A call has more tags than an execution may have.
    #[error("{tags} tags are too many; an execution has at most {max}")]
    TooManyTags {
        /// Its tags.
        tags: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The store refused a request, or is broken.
    #[error("the store could not {what}")]
    Store {
        /// What was asked of it.
        what: &'static str,
        /// What it said. It may be shared by many who wait.
        #[source]
        source: Arc<StoreError>,
    },
    /// The store did not answer, or only with failures that may pass, for as long as a client tries.
    #[error("the store could not {what} within {}", humantime::format_duration(*.within))]
    Unavailable {
        /// What was asked of it.
        what: &'static str,
        /// How long it was tried.
        within: Duration,
        /// What it said last, if it said anything. It may be shared by many who wait.
        #[source]
        source: Option<Arc<StoreError>>,
    },
    /// A call was to be dispatched in a transaction of another database than the one that the store keeps its tasks in.
    #[error("a call is dispatched in a transaction of the database that its store is in")]
    OtherDatabase {
        /// What the transaction is one of.
        #[source]
        source: BoxError,
    },
    /// There is no runtime to wait on.
    #[error("waiting for results needs a tokio runtime with time enabled")]
    NoRuntime,
    /// An error that no retry can mend; made by [`fatal`].
    #[error(transparent)]
    Fatal(BoxError),
    /// Any other error; made by [`Error::other`].
    #[error(transparent)]
    Other(BoxError),
}

/// Marks an error as one that no retry can mend: a durable function that returns it fails at once, and so does one that passes on the failure.
///
/// ```
/// let error = stent_client::fatal("the card is stolen");
/// assert!(error.is_fatal());
/// assert_eq!(error.to_string(), "the card is stolen");
/// ```
pub fn fatal(error: impl Into<BoxError>) -> Error {
    Error::Fatal(error.into())
}

impl Error {
    /// Wraps an error of another library, as it is; one of this library stays what it is.
    ///
    /// ```
    /// fn parse(text: &str) -> stent_client::Result<u16> {
    ///     text.parse().map_err(stent_client::Error::other)
    /// }
    /// assert!(parse("x").is_err());
    /// ```
    pub fn other(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(ours) => *ours,
            Err(other) => Self::Other(other),
        }
    }

    /// Whether no retry can mend it: it was made by [`fatal`], or is the failure of a step or a child that was.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Fatal(_))
            || self
                .failure()
                .is_some_and(|failure| failure.kind() == FailureKind::Fatal)
    }

    /// Whether what was called or dispatched was cancelled.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// Whether a time was up: that of a function, or that of a wait for a signal.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::SignalTimedOut { .. })
    }

    /// Whether there is no such execution.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NoSuchExecution { .. })
    }

    /// Whether the store may have done what was asked of it, although it did not say so.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Unavailable { source, .. } => source
                .as_ref()
                .is_none_or(|source| source.is_outcome_unknown()),
            Self::Store { source, .. } => source.is_outcome_unknown(),
            Self::PartlyDispatched { source, .. } => source.is_outcome_unknown(),
            _ => false,
        }
    }

    /// What was recorded of the failure of a function or a step.
    #[must_use]
    pub const fn failure(&self) -> Option<&RecordedFailure> {
        match self {
            Self::Failed { failure, .. }
            | Self::TimedOut { failure, .. }
            | Self::StepFailed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// The kind under which a task that returns this error fails.
    pub(crate) fn failure_kind(&self) -> FailureKind {
        match self {
            error if error.is_fatal() => FailureKind::Fatal,
            Self::OutsideDurableFunction { .. }
            | Self::InsideStep { .. }
            | Self::InsideBlocking { .. }
            | Self::MadeElsewhere { .. }
            | Self::AwaitedAgain { .. }
            | Self::MisplacedOption { .. }
            | Self::Name(_)
            | Self::Duration(_)
            | Self::Payload(_)
            | Self::TooManyTags { .. } => FailureKind::Misuse,
            Self::StepFailed { failure, .. } if failure.kind() == FailureKind::UnstorableResult => {
                FailureKind::UnstorableResult
            }
            _ => FailureKind::Error,
        }
    }

    /// A durable operation was awaited where no body is polled.
    pub(crate) fn no_body(operation: &dyn fmt::Display) -> Self {
        let operation = operation.to_string();
        match context::within() {
            Some(Within::Step) => Self::InsideStep { operation },
            Some(Within::Blocking) => Self::InsideBlocking { operation },
            Some(Within::Body) | None => Self::OutsideDurableFunction { operation },
        }
    }

    /// How a called or dispatched function that gave no value ended.
    pub(crate) fn of_outcome(
        function: &FunctionName,
        outcome: Outcome,
    ) -> Result<stent_core::Payload> {
        let function = function.clone();
        match outcome {
            Outcome::Completed(payload) => Ok(payload),
            Outcome::Failed(failure) => Err(Self::Failed {
                function,
                failure: failure.into(),
            }),
            Outcome::TimedOut(failure) => Err(Self::TimedOut {
                function,
                failure: failure.into(),
            }),
            Outcome::Cancelled => Err(Self::Cancelled { function }),
        }
    }
}

/// What was recorded of a failure, as an error with its chain of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFailure {
    kind: FailureKind,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl RecordedFailure {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The message, without those of its sources.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.cause.message
    }
}

impl From<Failure> for RecordedFailure {
    fn from(failure: Failure) -> Self {
        let source = failure
            .sources()
            .iter()
            .rev()
            .fold(None, |source, message| {
                Some(Box::new(Cause {
                    message: message.clone(),
                    source,
                }))
            });
        Self {
            kind: failure.kind(),
            cause: Cause {
                message: failure.message().to_owned(),
                source,
            },
        }
    }
}

impl fmt::Display for RecordedFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl StdError for RecordedFailure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no duration: {reason}; write it like `1h 30m` or `500ms`", .text.escape_debug())]
pub struct DurationError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl DurationError {
    /// Refuses a span in which nothing can happen.
    pub(crate) fn unless_zero(span: Duration) -> std::result::Result<Duration, Self> {
        if span.is_zero() {
            Err(Self {
                text: "0s".to_owned(),
                reason: "nothing can happen within it".to_owned(),
            })
        } else {
            Ok(span)
        }
    }
}

/// What a body returned as its error, as it is recorded. An error of this library keeps its kind, also below others.
pub(crate) fn failure_of(error: &(dyn StdError + 'static), may_be_retried: bool) -> Failure {
    let mut kind = FailureKind::Error;
    let mut cause = Some(error);
    // A chain of sources may be endless; what decides stands near its start.
    for _ in 0..16 {
        let Some(error) = cause else { break };
        if let Some(ours) = error.downcast_ref::<Error>() {
            kind = ours.failure_kind();
            break;
        }
        cause = error.source();
    }
    if !may_be_retried && kind == FailureKind::Error {
        kind = FailureKind::Fatal;
    }
    Failure::from_error(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot ship")]
    struct Outer(#[source] Error);

    fn chain(error: &dyn StdError) -> Vec<String> {
        let mut messages = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            messages.push(error.to_string());
            source = error.source();
        }
        messages
    }

    #[test]
    fn a_childs_failure_keeps_its_chain_through_every_parent() {
        let parse = "x".parse::<u8>().unwrap_err();
        let child = failure_of(&Error::other(parse), true);
        let name = FunctionName::new("charge").unwrap();
        let error = Error::of_outcome(&name, Outcome::Failed(child)).unwrap_err();
        assert_eq!(
            chain(&error),
            ["`charge` failed", "invalid digit found in string"]
        );
        let parent = failure_of(&Outer(error), true);
        assert_eq!(
            parent.to_string(),
            "cannot ship: `charge` failed: invalid digit found in string"
        );
        assert_eq!(parent.kind(), FailureKind::Error);
    }

    #[test]
    fn a_fatal_error_stays_fatal_below_others() {
        let failure = failure_of(&Outer(fatal("stolen card")), true);
        assert_eq!(failure.kind(), FailureKind::Fatal);
        assert_eq!(failure.to_string(), "cannot ship: stolen card");
        let name = FunctionName::new("charge").unwrap();
        let error = Error::of_outcome(&name, Outcome::Failed(failure)).unwrap_err();
        assert!(error.is_fatal());
    }

    #[test]
    fn what_may_not_be_retried_is_fatal_but_misuse_stays_misuse() {
        let parse = "x".parse::<u8>().unwrap_err();
        assert_eq!(failure_of(&parse, false).kind(), FailureKind::Fatal);
        assert_eq!(failure_of(&parse, true).kind(), FailureKind::Error);
        let misuse = Error::OutsideDurableFunction {
            operation: "sleep".to_owned(),
        };
        assert_eq!(failure_of(&misuse, false).kind(), FailureKind::Misuse);
    }
}
