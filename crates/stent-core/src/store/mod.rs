//! The contract between running and keeping: what a store does for those who dispatch, run and look.
//!
//! A store loads, asks the rules of this crate, and saves; it has no rules of its own. Every request is a batch, and every change that a
//! request makes is one transaction: it happens whole, or not at all.
//!
//! Each clause names cases of the conformance suite (`stent-conformance`) that check it; they run on any store.
//!
//! # What holds for every method
//! * **Atomic.** The elements of a batch are independent: one that is refused changes nothing for its neighbours. What one element changes
//!   is one unit. Elements are applied in the order of the batch; a later one sees what an earlier one did.
//!   (proven by `commit::a_refused_commit_changes_nothing_for_its_neighbours`, `dispatch::a_key_used_twice_in_one_batch_makes_one_execution`)
//! * **Time.** The store's clock decides. It is handed to the store when it is made, so that tests can move it.
//!   (proven by `dispatch::a_delay_is_counted_by_the_stores_clock`, `lease::a_claim_leases_from_the_stores_now`)
//! * **Repeatable.** After [`StoreError::OutcomeUnknown`] the caller sends the same request again: ids are chosen by the caller, and commits are
//!   numbered, so nothing happens twice. A request that arrives late, after a later one, changes nothing either.
//!   (proven by `commit::a_commit_sent_twice_does_no_second_thing`, `commit::a_commit_that_comes_late_changes_nothing`)
//! * **Cancel safe.** Dropping the future of a call leaves it done as a whole, or not at all.
//!   (proven by `calls::a_dispatch_that_is_dropped_and_repeated_is_made_once`, `calls::a_commit_that_is_dropped_and_repeated_is_applied_once`,
//!   `calls::a_signal_that_is_dropped_and_repeated_is_received_once`, `calls::a_claim_that_is_dropped_takes_whole_leases_or_none`)
//! * **Bounded.** Every call returns within a bound that the store documents. A request that [`Checked`] refuses is refused, and changes nothing.
//!   (proven by `calls::what_others_drop_holds_up_nobody`, `inspect::what_names_too_many_is_refused`, `dispatch::a_batch_that_is_too_long_is_refused_whole`)
//! * **Isolated.** Two stores in one database server, in two files or under two schemas, see nothing of each other.
//!   (proven by `inspect::one_store_sees_nothing_of_another`)

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

use std::{any::Any, fmt, pin::Pin};

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
/// Behind `dyn Store` stands a type that can be asked for: what one store can do and others cannot, such as to dispatch in a transaction of the
/// caller's, is a method of that type.
///
/// ```
/// use std::any::Any;
/// use stent_core::Store;
///
/// fn is_of_type<T: Store>(store: &dyn Store) -> bool {
///     (store as &dyn Any).is::<T>()
/// }
/// ```
#[async_trait::async_trait]
pub trait Store: Any + Send + Sync + fmt::Debug {
    /// Makes executions. When this returns they are committed (proven by `dispatch::an_execution_survives_a_restart`).
    ///
    /// An id that exists, or an idempotency key that its function has in use, makes nothing: the answer names the execution that exists.
    /// A key is in use for as long as its execution exists, whatever its state; racing dispatches under one key make one execution.
    /// (proven by `dispatch::a_dispatch_that_is_repeated_makes_nothing_new`, `dispatch::a_key_stays_in_use_when_its_execution_ends`,
    /// `race::racing_dispatches_under_one_key_make_one_execution`)
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing is made unless the outcome is unknown.
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError>;

    /// Announces a worker with the functions that it has, and stores their limits. The newest declaration of a limit counts; one that an
    /// operator set stays until it is unset. When a function becomes limited, its tasks that [`crate::limit::holds_from_now`] hold a slot from then on.
    /// (proven by `limit::the_newest_declaration_counts`, `limit::an_operators_limit_counts_before_what_is_declared`,
    /// `limit::what_runs_and_waits_holds_slots_from_the_moment_a_limit_is_set`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError>;

    /// Leases due tasks to a worker, at most as many as it asks for, in the order of [`crate::claim`], each by [`crate::lease::claim`].
    /// (proven by `claim::a_claim_takes_at_most_what_it_asks_for`, `claim::functions_of_one_priority_share_a_claim`)
    ///
    /// Before, it takes over tasks whose lease ran out ([`crate::lease::ran_out`]), then ends those whose deadline passed
    /// ([`crate::cancel::deadline_passed`]): at most [`crate::defaults::SWEEP_BATCH`] of each, those that passed first first, among equals the one that
    /// was made first. A request for no tasks does only that. In a lane the task that is due longest comes first, among equals the one made first.
    /// The answer says when time alone changes what a claim finds: [`ClaimAnswer::next_due`], [`ClaimAnswer::next_sweep`].
    /// Concurrent claims never return one task twice, and never exceed a limit together.
    /// (proven by `lease::one_claim_looks_after_a_bounded_number_of_leases`, `deadline::one_claim_looks_after_a_bounded_number_of_deadlines`,
    /// `claim::the_oldest_of_a_lane_comes_first`, `claim::of_equal_age_the_first_made_comes_first`,
    /// `claim::a_claim_says_when_the_next_task_is_due`, `claim::a_claim_says_when_the_next_lease_runs_out`,
    /// `claim::a_claim_says_when_the_next_deadline_passes`, `claim::what_has_passed_is_no_reason_to_look_again`,
    /// `claim::a_claim_looks_ahead_no_further_than_it_is_asked_to`,
    /// `race::racing_claims_never_return_one_task_twice`, `race::racing_claims_never_exceed_a_limit`)
    ///
    /// # Errors
    /// As [`StoreError`] says. After an unknown outcome the tasks are free again when their lease runs out.
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError>;

    /// Applies fenced writes of holders by [`crate::commit::plan`], each whole or not at all, all in one transaction.
    ///
    /// A parent that suspends while its child ends, a signal or a cancel arrives elsewhere misses nothing: either the suspension sees it and
    /// the task stays leased, or it wakes the suspended task.
    /// (proven by `race::a_suspension_that_races_with_a_childs_end_misses_nothing`, `race::a_suspension_that_races_with_a_signal_misses_nothing`,
    /// `race::a_suspension_that_races_with_a_cancel_ends_as_cancelled`, `commit::a_refused_commit_changes_nothing_of_its_own`)
    ///
    /// # Errors
    /// As [`StoreError`] says. After an unknown outcome the same request is sent again.
    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError>;

    /// Extends leases by [`crate::lease::renew`], and keeps the worker's record.
    /// (proven by `lease::renewals_are_answered_in_their_order`, `lease::a_renewal_never_shortens_a_lease`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError>;

    /// Sends signals to executions, each by [`crate::signal::accept`], unless its id was accepted before. The oldest wait for that name in the execution receives it at once; else
    /// it is kept for the next who asks. Signals of one name are received in the order in which they were kept.
    /// (proven by `signal::a_signal_sent_twice_is_received_once`, `signal::the_oldest_wait_receives_a_signal`,
    /// `signal::signals_of_one_name_are_received_in_their_order`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError>;

    /// Cancels executions with all below them, by [`crate::cancel::request`].
    /// (proven by `cancel::a_cancel_reaches_every_task_of_the_tree`, `cancel::a_cancel_may_be_repeated`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError>;

    /// Puts dead letters back into the queue by [`crate::dead_letter::replay`].
    /// (proven by `dead_letter::a_replay_keeps_what_completed`, `dead_letter::only_dead_letters_are_replayed`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError>;

    /// Sets an operator's limit of a function, or unsets it. It counts before what the code declares.
    /// (proven by `limit::a_limit_can_be_raised_and_unset_while_tasks_run`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError>;

    /// Deletes executions that [`crate::retention::is_expired`], with all their rows, oldest first, in one short transaction: as many as fit a
    /// [`crate::retention::Portion`]. An execution with a task that is still leased waits for a later time.
    ///
    /// With an interval, the fleet shares one schedule that lives in the store: it does nothing before the next cleanup is due, and a cleanup
    /// that left nothing to delete moves the schedule on ([`crate::retention::next_cleanup`]).
    /// (proven by `cleanup::an_execution_goes_with_all_that_belongs_to_it`, `cleanup::an_execution_with_a_task_that_is_still_leased_waits`,
    /// `cleanup::a_cleanup_deletes_no_more_rows_than_fit_a_short_transaction`, `cleanup::the_fleet_cleans_up_once_per_interval`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError>;

    /// The history of tasks after an ordinal: what was delivered since, in that order; with [`HistoryRequest::whole`], every entry by position.
    /// (proven by `history::what_was_delivered_since_is_read_in_its_order`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError>;

    /// Executions by a query, newest first: by id, descending.
    /// (proven by `inspect::executions_are_listed_newest_first`, `inspect::executions_are_found_by_each_of_their_properties`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError>;

    /// Tasks by a query, in the order of their making: by id.
    /// (proven by `inspect::tasks_are_found_by_each_of_their_properties`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError>;

    /// Functions that were declared, are limited, or have tasks that have not ended, by name.
    /// (proven by `inspect::functions_are_listed_by_name_with_what_has_not_ended`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError>;

    /// Queues with tasks that have not ended, by name.
    /// (proven by `inspect::queues_are_listed_by_name_with_what_has_not_ended`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError>;

    /// Workers that reported within the last day, the newest first.
    /// (proven by `inspect::workers_are_listed_as_they_reported_last`, `inspect::workers_that_were_not_heard_of_for_a_day_are_not_shown`)
    ///
    /// # Errors
    /// As [`StoreError`] says.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError>;

    /// Whether the store would take a request that changes something, now. It goes the way of such a request, and changes nothing.
    /// (proven by `inspect::a_healthy_store_tells_its_time_and_changes_nothing`)
    ///
    /// # Errors
    /// As [`StoreError`] says: what such a request would meet.
    async fn health(&self) -> Result<Health, StoreError>;

    /// Listens for hints from now on. They may be lost, late, doubled or wrong.
    /// (proven by `hints::nothing_depends_on_a_hint`, `hints::a_listener_that_never_reads_delays_nobody`)
    fn hints(&self) -> HintStream;
}
