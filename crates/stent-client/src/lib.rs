//! Define durable functions and request them.

pub mod context;
mod durable;

pub use crate::durable::{
    Body, BodyFuture, Durable, FunctionDefinition, SharedState, StateRequirement,
};
