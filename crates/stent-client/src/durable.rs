//! What a durable function is: for the compiler a type, for a worker a definition without types.
//!
//! **Invariant:** a definition is made once and never changes while the program runs.

use std::{
    any::{Any, TypeId},
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use stent_core::{
    Failure, FunctionName, Payload, Priority, QueueName, limit::Limit, retry::RetryPolicy,
};

/// A durable function as a type. The attribute `#[durable]` makes one of the same name as the function.
///
/// ```
/// use std::sync::LazyLock;
/// use stent_client::{Body, Durable, FunctionDefinition};
/// use stent_core::{FunctionName, Payload};
///
/// struct Ping {}
///
/// impl Durable for Ping {
///     type Output = String;
///     const NAME: &'static str = "ping";
///
///     fn definition() -> &'static FunctionDefinition {
///         static DEFINITION: LazyLock<FunctionDefinition> = LazyLock::new(|| {
///             let name = FunctionName::new(Ping::NAME).expect("a short name");
///             FunctionDefinition::new(name, Body::Blocking(|_input| Ok(Payload::null())))
///         });
///         &DEFINITION
///     }
/// }
/// assert_eq!(Ping::definition().name.as_str(), "ping");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable function",
    label = "not a durable function",
    note = "put `#[durable]` above the function that it names"
)]
pub trait Durable: 'static {
    /// What it returns when it succeeds.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// The name under which a store knows it: `name`, or `name@version` from version 2 on.
    const NAME: &'static str;

    /// How it is run. Always the same one.
    fn definition() -> &'static FunctionDefinition;
}

/// A durable function without its types: what a worker has to know of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionDefinition {
    /// Its name: `name`, or `name@version` from version 2 on.
    pub name: FunctionName,
    /// The queue of its calls, unless they say otherwise. Default `default`.
    pub queue: QueueName,
    /// The priority of its calls, unless they say otherwise. Default 0.
    pub priority: Priority,
    /// How many of its tasks may hold a slot at once, over all workers of a store. Default: any number.
    pub limit: Option<Limit>,
    /// What follows a failed attempt.
    pub retry: RetryPolicy,
    /// How long one attempt may take, unless the call says otherwise. Default: any time.
    pub timeout: Option<Duration>,
    /// The values that a worker must have been given for it.
    pub states: Vec<StateRequirement>,
    /// How to run it.
    pub body: Body,
}

impl FunctionDefinition {
    /// A definition with the defaults.
    #[must_use]
    pub fn new(name: FunctionName, body: Body) -> Self {
        Self {
            name,
            queue: QueueName::default(),
            priority: Priority::default(),
            limit: None,
            retry: RetryPolicy::default(),
            timeout: None,
            states: Vec::new(),
            body,
        }
    }
}

/// A value that a function takes from its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateRequirement {
    /// Its type, without the `Arc` around it.
    pub type_id: TypeId,
    /// The type's name, for messages.
    pub type_name: &'static str,
}

impl StateRequirement {
    /// Requires a value of a type.
    #[must_use]
    pub fn of<T: Any + Send + Sync>() -> Self {
        Self {
            type_id: TypeId::of::<T>(),
            type_name: std::any::type_name::<T>(),
        }
    }
}

/// A running async body. It gives the result as a document, or what is recorded of its failure.
pub type BodyFuture = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// How a function is run on the document of its arguments, under a [context](crate::context) that is entered around each poll or call.
#[derive(Clone, Copy)]
pub enum Body {
    /// Polled on the async threads.
    Async(fn(Payload) -> BodyFuture),
    /// Called on a thread of its own.
    Blocking(fn(Payload) -> Result<Payload, Failure>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "Async",
            Self::Blocking(_) => "Blocking",
        })
    }
}

/// A value of a worker's state, by its type.
pub type SharedState = Arc<dyn Any + Send + Sync>;
