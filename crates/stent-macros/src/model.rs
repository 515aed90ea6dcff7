//! What a durable function is, once it is checked.

use std::time::Duration;

use syn::{Attribute, Block, Ident, Path, Type, Visibility};

/// A durable function. Everything in it is valid.
pub(crate) struct Durable {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    /// Attributes of all that is generated: `cfg`.
    pub(crate) everywhere: Vec<Attribute>,
    /// Attributes of what users see: documentation, deprecation.
    pub(crate) outside: Vec<Attribute>,
    /// Attributes of the body: all others, and those of lints.
    pub(crate) inside: Vec<Attribute>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Type,
    pub(crate) body: Block,
    pub(crate) options: Options,
}

/// A parameter of the body, in the order in which it was written.
pub(crate) struct Parameter {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) mutable: bool,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) source: Source,
}

/// Where the value of a parameter comes from.
pub(crate) enum Source {
    /// From the call.
    Call,
    /// From the worker: an `Arc` of this type.
    Worker(Box<Type>),
}

/// What its attribute says.
#[derive(Default)]
pub(crate) struct Options {
    /// The stored name, with its version.
    pub(crate) name: String,
    pub(crate) queue: Option<String>,
    pub(crate) priority: i32,
    pub(crate) limit: Option<Limit>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) blocking: bool,
}

#[derive(Default)]
pub(crate) struct Limit {
    pub(crate) max_concurrent: i64,
    pub(crate) release: bool,
}

#[derive(Default)]
pub(crate) struct Retry {
    pub(crate) max_attempts: Option<u32>,
    pub(crate) initial_delay: Option<Duration>,
    pub(crate) max_delay: Option<Duration>,
    pub(crate) backoff: Option<f64>,
    pub(crate) jitter: Option<f64>,
    pub(crate) when: Option<Path>,
}
