//! Define durable functions and request them.

#[doc(hidden)]
pub mod __private;
mod call;
pub mod context;
mod durable;
mod duration;
mod error;
mod map;
mod step;
mod ticket;
mod values;
mod wait;

pub use crate::{
    call::{Call, IntoWhen},
    context::TaskInfo,
    durable::{Body, BodyFuture, Durable, FunctionDefinition, SharedState, StateRequirement},
    duration::IntoDuration,
    error::{BoxError, DurationError, Error, RecordedFailure, Result, fatal},
    map::{Map, MapAll, MapExt, StarmapExt},
    step::{Step, step},
    values::{CancelledFuture, Random, cancelled, is_cancelled, now, random, task_info, uuid},
    wait::{Signal, Sleep, signal, sleep, sleep_until},
};
