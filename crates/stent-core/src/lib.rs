//! The model of Stent, every rule as a pure function, and the [`Store`] trait.
//!
//! Here is what is true of tasks, leases, retries, limits, histories and retention, as pure functions of plain data: no I/O, no runtime, no
//! clock and no randomness of its own. Stores load, ask these functions and save; workers ask them what may be done. So a rule stands once,
//! and is the same on every store.
//!
//! | module | what it decides |
//! |---|---|
//! | [`lease`] | the right to run one task: claim, renew, release, what happens when it runs out |
//! | [`claim`] | which tasks a claim takes, and in which order |
//! | [`commit`] | what a holder may write |
//! | [`history`] | what a resumed task sees |
//! | [`limit`], [`retry`], [`cancel`], [`dead_letter`], [`retention`], [`signal`] | what their names say |
//! | [`store`] | the contract of a store |
//! | [`defaults`] | every default and bound, with its reason |
//!
//! **Invariant:** nothing here knows of a database, a runtime or a clock.

#![deny(clippy::wildcard_enum_match_arm, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails, as it should"
    )
)]

pub mod boot;
pub mod cancel;
pub mod claim;
pub mod commit;
pub mod dead_letter;
pub mod deadlock;
pub mod defaults;
pub mod encoding;
mod end;
mod epoch;
mod execution;
mod finite;
mod hint;
pub mod history;
mod id;
pub mod lease;
pub mod limit;
mod outcome;
mod payload;
mod readable;
pub mod retention;
pub mod retry;
pub mod signal;
pub mod store;
mod task;
pub mod time;
mod transition;

pub use crate::{
    epoch::Epoch,
    execution::{NewExecution, NewTask, When},
    hint::Hint,
    history::{EntryHead, HistoryEntry, Operation},
    id::{
        CallKey, CallPosition, ClaimMark, ExecutionId, Fence, FencingToken, FunctionName,
        IdempotencyKey, NameError, NameKind, Ordinal, Priority, QueueName, SignalId, SignalName,
        StepName, Tag, TaskId, WorkerName,
    },
    outcome::{Failure, FailureKind, Outcome, OutcomeKind},
    payload::{Payload, PayloadError},
    store::{Store, StoreError},
    task::{Crashes, Lane, LaneClass, ParentLink, State, StateKind, Task},
    time::{Clock, Timestamp},
    transition::{Effect, Refused, Transition},
};
