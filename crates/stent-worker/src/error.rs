//! What can be wrong with a worker.

use std::time::Duration;

use stent_core::{FunctionName, NameError, StoreError, lease::LeaseDurationError};

/// Why a worker does not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// It has nothing to run.
    #[error("the worker has no functions; register some with `.register(functions![..])`")]
    NoFunctions,
    /// Two functions have one name.
    #[error(
        "two registered functions are called `{function}`; give one another name with `#[durable(name = \"..\")]`, or another `version`"
    )]
    DuplicateFunction {
        /// The name.
        function: FunctionName,
    },
    /// A function needs a state that was not given.
    #[error(
        "function `{function}` needs the state `{state}`; give it to the worker with `.state(..)`"
    )]
    MissingState {
        /// The function.
        function: FunctionName,
        /// The state's type.
        state: &'static str,
    },
    /// The lease is impossible.
    #[error("the worker's lease is not possible")]
    Lease(#[from] LeaseDurationError),
    /// The worker's name, or that of a queue, is impossible.
    #[error("the worker has an impossible name")]
    Name(#[from] NameError),
    /// A number or a span of time is out of range.
    #[error("`{option}` is {given}; it must be {allowed}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The store did not answer.
    #[error("the worker cannot reach its store")]
    Store(#[from] StoreError),
    /// The worker was started outside a tokio runtime.
    #[error(
        "a worker runs on a tokio runtime with its time driver enabled; start it inside `#[tokio::main]`, or within `Runtime::enter`"
    )]
    NoRuntime,
    /// Bodies did not stop when the worker drained.
    #[error(
        "{tasks} tasks did not stop in time when the worker drained; they go on elsewhere when their leases end. Let long bodies await, or ask `is_cancelled`"
    )]
    Abandoned {
        /// How many.
        tasks: usize,
    },
    /// A part of the worker ended although it must not: nothing goes on here without it, and other workers take over when the leases end.
    #[error(
        "the worker's {part} ended, which must not happen; start the worker anew. The log says why"
    )]
    PartEnded {
        /// Which part.
        part: &'static str,
    },
    /// The system refused a thread or a signal handler.
    #[error("the system refused what the worker needs to run")]
    System(#[from] std::io::Error),
}

impl From<WorkerError> for stent_client::Error {
    fn from(error: WorkerError) -> Self {
        Self::other(error)
    }
}

impl WorkerError {
    pub(crate) fn option(
        option: &'static str,
        given: impl ToString,
        allowed: &'static str,
    ) -> Self {
        Self::Option {
            option,
            given: given.to_string(),
            allowed,
        }
    }

    pub(crate) fn span(option: &'static str, given: Duration, allowed: &'static str) -> Self {
        Self::option(option, format!("{given:?}"), allowed)
    }
}
