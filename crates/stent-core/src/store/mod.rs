//! The contract between running and keeping: what a store does for those who dispatch, run and look.
//!
//! A store loads, asks the rules of this crate, and saves; it has no rules of its own. Every request is a batch, and every change that a
//! request makes is one transaction: it happens whole, or not at all.
//!
//! # What holds for every method
//! * **Atomic.** The elements of a batch are independent: one that is refused changes nothing for its neighbours. What one element changes
//!   is one unit. Elements are applied in the order of the batch; a later one sees what an earlier one did.
//! * **Time.** The store's clock decides. It is handed to the store when it is made, so that tests can move it.
//! * **Repeatable.** After [`StoreError::OutcomeUnknown`] the caller sends the same request again: ids are chosen by the caller, and commits are
//!   numbered, so nothing happens twice. A request that arrives late, after a later one, changes nothing either.
//! * **Cancel safe.** Dropping the future of a call leaves it done as a whole, or not at all.
//! * **Bounded.** Every call returns within a bound that the store documents. A request that [`Checked`] refuses is refused, and changes nothing.
//! * **Isolated.** Two stores in one database server, in two files or under two schemas, see nothing of each other.

mod admin;
mod check;
mod claim;
mod cleanup;
mod commit;
mod dispatch;
mod error;
mod hub;
mod inspect;
mod renew;
mod signal;

use std::{fmt, pin::Pin};

use futures_core::Stream;

pub use self::{
    admin::{
        CancelAnswer, DeclareAnswer, DeclareRequest, FunctionDeclaration, LimitDifference,
        ReplayAnswer, SetLimitRequest,
    },
    check::{Checked, RequestError},
    claim::{ClaimAnswer, ClaimRequest, ClaimedTask, StolenTask},
    cleanup::{CleanupAnswer, CleanupRequest},
    commit::{CommitAnswer, CommitRequest, CommitResult, DeliveredOutcome},
    dispatch::{DispatchAnswer, DispatchRequest, Dispatched},
    error::StoreError,
    hub::{HintHub, Listening},
    inspect::{
        Counts, ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord, Health,
        HistoryRequest, QueueRecord, TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord,
        page,
    },
    renew::{RenewAnswer, RenewRequest, RenewResult, WorkerReport},
    signal::SignalRequest,
};
use crate::{ExecutionId, Hint, signal::SignalAnswer};

/// Hints, as they come. The stream never ends while its store is open.
pub type HintStream = Pin<Box<dyn Stream<Item = Hint> + Send>>;

/// What keeps tasks. See the [module](self) for what holds for all its methods.
///
/// Each method's contract is checked by the conformance suite of the crate `stent-conformance`, which runs on any store.
#[async_trait::async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Makes executions. When this returns they are committed.
    ///
    /// An id that exists, or an idempotency key that its function has in use, makes nothing: the answer names the execution that exists.
    /// A key is in use for as long as its execution exists, whatever its state; racing dispatches under one key make one execution.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is made unless the outcome is unknown.
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError>;

    /// Announces a worker with the functions that it has, and stores their limits. The newest declaration of a limit counts; one that an
    /// operator set stays until it is unset. When a function becomes limited, its tasks that [`crate::limit::holds_from_now`] hold a slot from then on.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError>;

    /// Leases due tasks to a worker, at most as many as it asks for, in the order of [`crate::claim`], each by [`crate::lease::claim`].
    ///
    /// Before, it takes over tasks whose lease ran out ([`crate::lease::ran_out`]), then ends those whose deadline passed
    /// ([`crate::cancel::deadline_passed`]): at most [`crate::defaults::SWEEP_BATCH`] of each, those that passed first first, among equals the one that
    /// was made first. A request for no tasks does only that. In a lane the task that is due longest comes first, among equals the one made first.
    /// Concurrent claims never return one task twice, and never exceed a limit together.
    ///
    /// # Errors
    /// As [`StoreError`] says. After an unknown outcome the tasks are free again when their lease runs out.
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError>;

    /// Applies fenced writes of holders by [`crate::commit::plan`], each whole or not at all, all in one transaction.
    ///
    /// A parent that suspends while its child ends, a signal or a cancel arrives elsewhere misses nothing: either the suspension sees it and
    /// the task stays leased, or it wakes the suspended task.
    ///
    /// # Errors
    /// As [`StoreError`] says. After an unknown outcome the same request is sent again.
    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError>;

    /// Extends leases by [`crate::lease::renew`], and keeps the worker's record.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError>;

    /// Sends signals to executions, each by [`crate::signal::accept`], unless its id was accepted before. The oldest wait for that name in the execution receives it at once; else
    /// it is kept for the next who asks. Signals of one name are received in the order in which they were kept.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError>;

    /// Cancels executions with all below them, by [`crate::cancel::request`].
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError>;

    /// Puts dead letters back into the queue by [`crate::dead_letter::replay`].
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError>;

    /// Sets an operator's limit of a function, or unsets it. It counts before what the code declares.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError>;

    /// Deletes executions that [`crate::retention::is_expired`], with all their rows, oldest first, in one short transaction. An execution
    /// with a task that is still leased waits for a later time.
    ///
    /// With an interval, the fleet shares one schedule that lives in the store: it does nothing before the next cleanup is due, and a cleanup
    /// that left nothing to delete moves the schedule on ([`crate::retention::next_cleanup`]).
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError>;

    /// The history of tasks after an ordinal: what was delivered since, in that order; with [`HistoryRequest::whole`], every entry by position.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError>;

    /// Executions by a query, newest first: by id, descending.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError>;

    /// Tasks by a query, in the order of their making: by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError>;

    /// Functions that were declared, are limited, or have tasks that have not ended, by name.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError>;

    /// Queues with tasks that have not ended, by name.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError>;

    /// Workers that reported within the last day, the newest first.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError>;

    /// Whether the store would take a request that changes something, now. It goes the way of such a request, and changes nothing.
    ///
    /// # Errors
    /// As [`StoreError`] says: what such a request would meet.
    async fn health(&self) -> Result<Health, StoreError>;

    /// Listens for hints from now on. They may be lost, late, doubled or wrong.
    fn hints(&self) -> HintStream;
}
