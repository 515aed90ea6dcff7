//! What code that `#[durable]` generates calls. Not for people: it changes without notice.

use std::{any::TypeId, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use stent_core::{FailureKind, FunctionName, Priority, QueueName};

pub use std::sync::LazyLock;
pub use stent_core::{
    Failure, Payload,
    limit::{Limit, WhileWaiting},
    retry::RetryPolicy,
};

pub use crate::{Body, BodyFuture, BoxError, Call, Durable, FunctionDefinition, StateRequirement};
use crate::{context, error::failure_of};

/// What a durable function may return: a `Result` whose value is written as JSON, and whose error is one.
#[diagnostic::on_unimplemented(
    message = "a durable function returns a `Result`, and `{Self}` is none",
    label = "expected `Result<T, E>`"
)]
pub trait Returns {
    /// The value.
    type Output;
    /// The error.
    type Error;

    /// It as a `Result`.
    fn into_result(self) -> Result<Self::Output, Self::Error>;
}

impl<T, E> Returns for Result<T, E> {
    type Output = T;
    type Error = E;

    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// An error that a durable function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that a durable function can return",
    label = "expected a type that implements `std::error::Error + Send + Sync + 'static`"
)]
pub trait ReturnsError: Sized {
    /// It as an owned error.
    fn into_error(self) -> BoxError;
}

impl<E: Into<BoxError>> ReturnsError for E {
    fn into_error(self) -> BoxError {
        self.into()
    }
}

/// Compiles for what can be an argument.
pub const fn assert_argument<T: Serialize + DeserializeOwned + Send + 'static>() {}

/// Compiles for what can be returned.
pub const fn assert_returns<R: Returns>()
where
    R::Output: Serialize + DeserializeOwned + Send + 'static,
    R::Error: ReturnsError,
{
}

/// Compiles for what can be a worker's state.
pub const fn assert_state<T: Send + Sync + 'static>() {}

/// Reads the arguments.
///
/// # Errors
/// When the document is something else than what the function takes.
pub fn decode_input<T: DeserializeOwned>(input: &Payload) -> Result<T, Failure> {
    input
        .decode()
        .map_err(|error| Failure::from_error(FailureKind::UndecodableInput, &error))
}

/// Takes a value of the worker's state.
///
/// # Errors
/// When the worker was not given one, which it finds when it starts.
pub fn state<T: Send + Sync + 'static>() -> Result<Arc<T>, Failure> {
    context::around()
        .and_then(|context| context.state(TypeId::of::<T>()))
        .and_then(|state| state.downcast().ok())
        .ok_or_else(|| {
            let type_name = std::any::type_name::<T>();
            Failure::new(
                FailureKind::Misuse,
                format!("the worker was given no `{type_name}`; give it one with `.state(..)`"),
            )
        })
}

/// Turns what the function returned into what is recorded of it. `may_be_retried` is asked of errors.
///
/// # Errors
/// When the function failed, or its value cannot be stored.
pub fn finish<R>(
    returned: R,
    may_be_retried: impl FnOnce(&R::Error) -> bool,
) -> Result<Payload, Failure>
where
    R: Returns,
    R::Output: Serialize,
    R::Error: ReturnsError,
{
    match returned.into_result() {
        Ok(value) => storable(&value),
        Err(error) => {
            let may_be_retried = may_be_retried(&error);
            Err(failure_of(&*error.into_error(), may_be_retried))
        }
    }
}

fn storable<T: Serialize>(value: &T) -> Result<Payload, Failure> {
    let limit = context::around().map_or(usize::MAX, |context| context.payload_limit());
    Payload::encode(value, limit)
        .map_err(|error| Failure::from_error(FailureKind::UnstorableResult, &error))
}

/// A definition, from parts that the macro has checked.
#[derive(Debug)]
pub struct Definition {
    /// Its name, with its version.
    pub name: &'static str,
    /// Its queue.
    pub queue: Option<&'static str>,
    /// Its priority.
    pub priority: i32,
    /// Its limit.
    pub max_concurrent: Option<i64>,
    /// What happens to its slots while it waits.
    pub while_waiting: WhileWaiting,
    /// Its retry policy.
    pub retry: Option<Retry>,
    /// Its timeout.
    pub timeout: Option<Duration>,
}

/// A retry policy, from parts that the macro has checked.
#[derive(Debug, Default)]
pub struct Retry {
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// The delay before the second.
    pub initial_delay: Option<Duration>,
    /// The longest delay.
    pub max_delay: Option<Duration>,
    /// By how much delays grow.
    pub backoff: Option<f64>,
    /// How far they are spread.
    pub jitter: Option<f64>,
}

impl Definition {
    /// The definition.
    ///
    /// # Panics
    /// Never for parts that the macro has checked.
    #[must_use]
    pub fn build(self, body: Body, states: Vec<StateRequirement>) -> FunctionDefinition {
        const CHECKED: &str = "the macro has checked it";
        let name = FunctionName::new(self.name).expect(CHECKED);
        let mut definition = FunctionDefinition::new(name, body);
        if let Some(queue) = self.queue {
            definition.queue = QueueName::new(queue).expect(CHECKED);
        }
        definition.priority = Priority(self.priority);
        definition.limit = self.max_concurrent.map(|number| Limit {
            while_waiting: self.while_waiting,
            ..Limit::new(number).expect(CHECKED)
        });
        if let Some(retry) = self.retry {
            definition.retry = retry.build().expect(CHECKED);
        }
        definition.timeout = self.timeout;
        definition.states = states;
        definition
    }
}

impl Retry {
    fn build(self) -> Result<RetryPolicy, stent_core::retry::RetryPolicyError> {
        let mut policy = RetryPolicy::stated();
        if let Some(attempts) = self.max_attempts {
            policy = policy.max_attempts(attempts)?;
        }
        if let Some(delay) = self.initial_delay {
            policy = policy.initial_delay(delay);
        }
        if let Some(delay) = self.max_delay {
            policy = policy.max_delay(delay);
        }
        if let Some(factor) = self.backoff {
            policy = policy.backoff(factor)?;
        }
        if let Some(fraction) = self.jitter {
            policy = policy.jitter(fraction)?;
        }
        Ok(policy)
    }
}
