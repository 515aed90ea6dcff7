//! Define durable functions and request them.
//!
//! | you want to | take |
//! |---|---|
//! | define a durable function | `#[durable]` of the crate `stent`, which implements [`Durable`] |
//! | call one from another | [`Call`], which is a future; many: [`MapExt::map`], [`StarmapExt::starmap`] |
//! | wait, or do something once | [`sleep`], [`sleep_until`], [`signal`](fn@signal), [`step`](fn@step) |
//! | have a value that is the same again on replay | [`now`], [`random`], [`uuid()`] |
//! | know whether to stop | [`is_cancelled`], [`cancelled`] |
//! | make an execution, and wait for it | [`Stent::dispatch`], [`Stent::run`], [`Handle`] |
//! | look, and act | [`Stent::executions`], [`Stent::signal`], [`Stent::cancel`], … |
//!
//! Nothing here runs a durable function. What a body calls finds whoever polls it in a [`context`], so a program that only dispatches
//! compiles no worker.

#[doc(hidden)]
pub mod __private;
mod admin;
mod call;
pub mod context;
mod durable;
mod duration;
mod error;
mod handle;
mod ids;
mod map;
mod patience;
mod query;
mod stent;
mod step;
mod ticket;
mod values;
mod wait;
mod waiter;

pub use stent_core::{
    CallKey, ExecutionId, Failure, FailureKind, FunctionName, IdempotencyKey, Outcome, OutcomeKind,
    Payload, Priority, QueueName, SignalName, State, StateKind, StepName, Store, StoreError, Tag,
    TaskId, Timestamp, WorkerName,
    store::{
        CancelAnswer, Counts, ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord,
        Health, QueueRecord, TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord,
    },
};
pub use uuid::Uuid;

pub use crate::{
    call::{Call, IntoWhen},
    context::TaskInfo,
    durable::{Body, BodyFuture, Durable, FunctionDefinition, SharedState, StateRequirement},
    duration::IntoDuration,
    error::{BoxError, DurationError, Error, RecordedFailure, Result, fatal},
    handle::{ExecutionHandle, Handle},
    ids::{IdSource, MachineIds},
    map::{Map, MapAll, MapExt, StarmapExt},
    stent::{Existing, Prepared, Stent, StentBuilder},
    step::{Step, step},
    values::{CancelledFuture, Random, cancelled, is_cancelled, now, random, task_info, uuid},
    wait::{Signal, Sleep, signal, sleep, sleep_until},
};
