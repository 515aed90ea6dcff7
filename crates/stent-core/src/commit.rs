//! What a holder may write: the one rule by which a commit is applied, whole or not at all.
//!
//! A commit carries its fence and its number under that fence. A commit that comes again, because nobody knew whether it had arrived, is
//! recognised by its number; one that comes late, from a holder that lost its lease, by its fence. Neither changes anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    CallKey, CallPosition, Effect, ExecutionId, Failure, FailureKind, Fence, FunctionName, Hint,
    NewTask, Operation, Ordinal, Outcome, Payload, SignalId, SignalName, State, Task, TaskId,
    Timestamp,
    dead_letter::forget,
    defaults,
    end::end,
    history::{EntryHead, HistoryEntry, Resolved, keep_for_retry},
    lease::{self, LeaseTerms, deadline_outcome, release},
    limit::{Slots, WhileWaiting, is_deadlock},
    retry::{AfterFailure, RetryPolicy, after_failure},
};

/// One fenced write of a task's holder.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCommit {
    /// The task.
    pub task: TaskId,
    /// What its claim handed out.
    pub fence: Fence,
    /// The number of this commit under that fence, from 1.
    pub number: u32,
    /// Outcomes that the body was given before they were recorded: all of them must have these ordinals, or nothing is applied.
    pub assumes: Vec<Assumed>,
    /// What is added to the history, in order.
    pub writes: Vec<HistoryWrite>,
    /// What becomes of the task.
    pub then: Then,
}

/// An outcome that the body was given before it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The operation.
    pub position: CallPosition,
    /// The place in the order of delivery that its outcome must have.
    pub ordinal: Ordinal,
}

/// An addition to a history.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryWrite {
    /// An operation whose outcome comes later: a call, a sleep, a wait for a signal.
    Begin {
        /// Its position.
        position: CallPosition,
        /// Its key, if it has one.
        key: Option<CallKey>,
        /// What it is.
        operation: Operation,
        /// The newest outcome that had been delivered when it was asked for.
        after: Ordinal,
        /// The child to make, if it is a call.
        child: Option<ChildRequest>,
    },
    /// An operation with its outcome: a step, `now`, a random value.
    Record {
        /// Its position.
        position: CallPosition,
        /// Its key, if it has one.
        key: Option<CallKey>,
        /// What it is.
        operation: Operation,
        /// The newest outcome that had been delivered when it was asked for.
        after: Ordinal,
        /// How it ended.
        outcome: Outcome,
        /// Its place in the order of delivery.
        place: Place,
    },
    /// The outcome of an operation that began earlier and ends by time: a sleep, or a wait for a signal that did not come.
    Resolve {
        /// Its position.
        position: CallPosition,
        /// How it ended.
        outcome: Outcome,
        /// Its place in the order of delivery.
        place: Place,
    },
    /// The body no longer waits for an operation. A signal that it was given but has not seen stays for the next who asks.
    Abandon {
        /// Its position.
        position: CallPosition,
        /// The newest outcome that the body had seen.
        seen: Ordinal,
    },
}

/// The place of an outcome in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has none: the body was answered on the spot, as by `now` and random values.
    None,
    /// The next one, whatever was recorded meanwhile. The body is given the outcome when the commit is answered.
    Next,
    /// This one: the body was given the outcome already. If another outcome has that place, nothing is applied.
    Exactly(Ordinal),
}

impl Place {
    /// The ordinal that an outcome gets here, after the newest one; none if it has no place.
    fn take(self, newest: Ordinal) -> Result<Option<Ordinal>, CommitRefused> {
        match self {
            Self::None => Ok(None),
            Self::Next => Ok(Some(newest.next())),
            Self::Exactly(ordinal) if ordinal == newest.next() => Ok(Some(ordinal)),
            Self::Exactly(_) => Err(CommitRefused::Stale),
        }
    }
}

/// A child to be made by a call.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRequest {
    /// The child.
    pub task: NewTask,
    /// Lease it to the caller's own worker at once, if it is due and no limit forbids it.
    pub start: Option<LeaseTerms>,
}

/// What becomes of a task after a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Its holder goes on.
    Continue,
    /// It waits without a lease until something happens that the body has not seen.
    Suspend {
        /// The newest outcome that the body has seen.
        seen: Ordinal,
    },
    /// It goes back to the queue with its age; no attempt and no crash is counted.
    Release,
    /// The attempt failed or timed out. The policy decides whether another follows.
    Fail {
        /// Why. Its kind tells a timeout from a failure.
        failure: Failure,
        /// The function's policy.
        policy: RetryPolicy,
        /// A random number from 0 up to 1, in parts of 2³², which spreads the delay.
        random: u32,
    },
    /// It ended.
    End(Outcome),
}

/// What a store looks up for [`plan`]. Each answer must hold until the transaction's end.
pub trait CommitView {
    /// What can go wrong in looking up.
    type Error;

    /// The entry of a task's history at a position.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn entry(
        &mut self,
        task: TaskId,
        position: CallPosition,
    ) -> Result<Option<EntryHead>, Self::Error>;

    /// All entries of a task's history, by position.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn entries(&mut self, task: TaskId) -> Result<Vec<EntryHead>, Self::Error>;

    /// The slots of a function, if it is limited; under the function's lock.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Self::Error>;

    /// How many slots of a function are held by a task itself and those above it.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn held_by_line(&mut self, task: TaskId, function: &FunctionName) -> Result<u32, Self::Error>;

    /// The oldest signals of a name that an execution has not received, `skip` of them left out.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn unreceived_signal(
        &mut self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Result<Option<SignalId>, Self::Error>;
}

/// What a store must save for a commit, all in one transaction: first the changes in order, then the task, then its effects in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The task as it is now.
    pub task: Task,
    /// Changes beside the task.
    pub changes: Vec<Change>,
    /// What else follows.
    pub effects: Vec<Effect>,
    /// The answer to the holder.
    pub applied: Applied,
}

/// A change beside the task itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Add an entry to the task's history.
    AddEntry(HistoryEntry),
    /// Add a child task.
    AddChild {
        /// The child.
        task: Box<Task>,
        /// Its arguments.
        input: Payload,
    },
    /// Record how an operation ended.
    Resolve {
        /// Its position.
        position: CallPosition,
        /// How it ended.
        outcome: Outcome,
        /// Its place in the order of delivery.
        ordinal: Ordinal,
    },
    /// Mark an entry as abandoned.
    Abandon {
        /// Its position.
        position: CallPosition,
        /// The signal that goes back to those not received, at its old place, if it had been given one. Once the commit's effects are applied,
        /// the oldest wait for its name receives it, as if it had just been sent.
        give_back: Option<SignalId>,
    },
    /// Mark a signal as received by an operation; its payload is that operation's outcome, with this ordinal.
    ReceiveSignal {
        /// The signal.
        signal: SignalId,
        /// The operation.
        position: CallPosition,
        /// Its place in the order of delivery.
        ordinal: Ordinal,
    },
    /// Remove an entry from the history. Its child, if it has one that is not terminal, is cancelled by [`crate::cancel::request`];
    /// a signal that it had received stays received.
    RemoveEntry(EntryHead),
}

/// The answer to a commit that was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether it had been applied before: then the rest says only what is known without looking further, and no child was started.
    pub repeated: bool,
    /// Whether the holder still holds its lease.
    pub still_held: bool,
    /// The newest ordinal of the task's history.
    pub deliveries: Ordinal,
    /// The places of outcomes that this commit recorded, other than those of signals that were waiting already.
    pub recorded: Vec<(CallPosition, Ordinal)>,
    /// When waits that began with this commit end by time.
    pub wakes: Vec<(CallPosition, Timestamp)>,
    /// Children that were leased to the holder's worker at once.
    pub started: Vec<StartedChild>,
    /// The state in which the task ended, when this commit ended it.
    pub ended: Option<crate::StateKind>,
}

/// A child that was leased as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedChild {
    /// The child, with its fence.
    pub task: Box<Task>,
}

/// Why a commit was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitRefused {
    /// The lease is not held any more: stop, and forget the body.
    #[error("the lease was lost")]
    LeaseLost,
    /// The task is to be cancelled: stop the body, then end the task.
    #[error("the task is to be cancelled")]
    CancelRequested,
    /// Something was recorded that the body has not seen, or not in that order, or its history has another operation at a position: forget the
    /// body, and replay.
    #[error("the body ran ahead of its history")]
    Stale,
    /// The commit's number is not the next one: earlier commits are missing.
    #[error("commit {number} does not follow commit {applied}")]
    OutOfOrder {
        /// Its number.
        number: u32,
        /// The number of the newest one that was applied.
        applied: u32,
    },
    /// The task would have more operations than [`defaults::OPERATIONS_MAX`].
    #[error(
        "a task may have at most {} durable operations; split the work into child tasks",
        defaults::OPERATIONS_MAX
    )]
    TooManyOperations,
}

/// Decides a commit. Nothing is saved here: a refusal leaves the task as it was.
///
/// # Errors
/// Only those of the view.
pub fn plan<V: CommitView>(
    task: Task,
    commit: TaskCommit,
    view: &mut V,
    now: Timestamp,
) -> Result<Result<Plan, CommitRefused>, V::Error> {
    if let Some(answer) = known_or_refused(&task, &commit) {
        return Ok(answer);
    }
    for assumed in &commit.assumes {
        let entry = view.entry(task.id, assumed.position)?;
        let ordinal = entry
            .and_then(|entry| entry.resolved)
            .and_then(|r| r.ordinal);
        if ordinal != Some(assumed.ordinal) {
            return Ok(Err(CommitRefused::Stale));
        }
    }
    let mut writer = Writer::new(task);
    for write in commit.writes {
        if let Err(refused) = writer.write(write, view, now)? {
            return Ok(Err(refused));
        }
    }
    writer.task.commits = commit.number;
    writer.finish(commit.then, view, now).map(Ok)
}

/// Answers a commit that is known already or may not be applied.
fn known_or_refused(task: &Task, commit: &TaskCommit) -> Option<Result<Plan, CommitRefused>> {
    if task.fence != commit.fence {
        return Some(Err(CommitRefused::LeaseLost));
    }
    if commit.number == task.commits && commit.number > 0 {
        let applied = Applied {
            repeated: true,
            still_held: lease::check(task, commit.fence).is_ok(),
            deliveries: task.deliveries,
            ended: Some(task.state.kind()).filter(|state| state.is_terminal()),
            ..Applied::default()
        };
        return Some(Ok(Plan {
            task: task.clone(),
            changes: Vec::new(),
            effects: Vec::new(),
            applied,
        }));
    }
    if lease::check(task, commit.fence).is_err() {
        return Some(Err(CommitRefused::LeaseLost));
    }
    if commit.number != task.commits.saturating_add(1) {
        return Some(Err(CommitRefused::OutOfOrder {
            number: commit.number,
            applied: task.commits,
        }));
    }
    let goes_on = matches!(commit.then, Then::Continue);
    (task.cancel_requested && goes_on).then_some(Err(CommitRefused::CancelRequested))
}

/// Collects what a commit changes.
struct Writer {
    task: Task,
    changes: Vec<Change>,
    effects: Vec<Effect>,
    applied: Applied,
    /// Slots that children of this commit took.
    taken_slots: BTreeMap<FunctionName, u32>,
    /// Signals that waits of this commit took.
    taken_signals: BTreeMap<SignalName, u32>,
    /// Positions that this commit filled.
    filled: BTreeSet<CallPosition>,
    /// Whether there were any before it.
    has_history: bool,
}

/// An operation that begins.
struct Begun {
    position: CallPosition,
    key: Option<CallKey>,
    operation: Operation,
    after: Ordinal,
}

impl Writer {
    fn new(task: Task) -> Self {
        Self {
            has_history: task.operations > 0,
            task,
            changes: Vec::new(),
            effects: Vec::new(),
            applied: Applied::default(),
            taken_slots: BTreeMap::new(),
            taken_signals: BTreeMap::new(),
            filled: BTreeSet::new(),
        }
    }

    /// Takes a position, if no operation has it: a history is added to and never overwritten.
    fn fill<V: CommitView>(
        &mut self,
        position: CallPosition,
        view: &mut V,
    ) -> Result<Result<(), CommitRefused>, V::Error> {
        let is_taken = !self.filled.insert(position)
            || self.has_history && view.entry(self.task.id, position)?.is_some();
        if is_taken {
            return Ok(Err(CommitRefused::Stale));
        }
        Ok(self.count_operation())
    }

    fn write<V: CommitView>(
        &mut self,
        write: HistoryWrite,
        view: &mut V,
        now: Timestamp,
    ) -> Result<Result<(), CommitRefused>, V::Error> {
        match write {
            HistoryWrite::Begin {
                position,
                key,
                operation,
                after,
                child,
            } => {
                let begun = Begun {
                    position,
                    key,
                    operation,
                    after,
                };
                if let Err(refused) = self.fill(position, view)? {
                    return Ok(Err(refused));
                }
                match child {
                    Some(child) => self.call(begun, child, view, now)?,
                    None => self.wait(begun, view, now)?,
                }
                Ok(Ok(()))
            }
            HistoryWrite::Record {
                position,
                key,
                operation,
                after,
                outcome,
                place,
            } => {
                let begun = Begun {
                    position,
                    key,
                    operation,
                    after,
                };
                if let Err(refused) = self.fill(position, view)? {
                    return Ok(Err(refused));
                }
                Ok(self.record(begun, outcome, place))
            }
            HistoryWrite::Resolve {
                position,
                outcome,
                place,
            } => self.resolve(position, outcome, place, view, now),
            HistoryWrite::Abandon { position, seen } => {
                self.abandon(position, seen, view)?;
                Ok(Ok(()))
            }
        }
    }

    /// Records an operation with its outcome.
    fn record(
        &mut self,
        begun: Begun,
        outcome: Outcome,
        place: Place,
    ) -> Result<(), CommitRefused> {
        let ordinal = place.take(self.task.deliveries)?;
        if let Some(ordinal) = ordinal {
            self.place(begun.position, ordinal);
        }
        self.add_entry(begun, None, None, Some((outcome, ordinal)));
        Ok(())
    }

    /// Records that a wait ended by time, if it did and nothing else ended it.
    fn resolve<V: CommitView>(
        &mut self,
        position: CallPosition,
        outcome: Outcome,
        place: Place,
        view: &mut V,
        now: Timestamp,
    ) -> Result<Result<(), CommitRefused>, V::Error> {
        let entry = view.entry(self.task.id, position)?;
        let due = entry
            .is_some_and(|entry| entry.is_waiting() && entry.wake_at.is_some_and(|at| at <= now));
        let ordinal = match place.take(self.task.deliveries) {
            Ok(Some(ordinal)) if due => ordinal,
            Ok(_) | Err(_) => return Ok(Err(CommitRefused::Stale)),
        };
        self.place(position, ordinal);
        self.changes.push(Change::Resolve {
            position,
            outcome,
            ordinal,
        });
        Ok(Ok(()))
    }

    fn place(&mut self, position: CallPosition, ordinal: Ordinal) {
        self.task.deliveries = ordinal;
        self.applied.recorded.push((position, ordinal));
    }

    fn abandon<V: CommitView>(
        &mut self,
        position: CallPosition,
        seen: Ordinal,
        view: &mut V,
    ) -> Result<(), V::Error> {
        let entry = view.entry(self.task.id, position)?;
        // What was given back once may be another's by now.
        if let Some(entry) = entry.filter(|entry| !entry.abandoned) {
            let unseen = entry
                .resolved
                .and_then(|resolved| resolved.ordinal)
                .is_some_and(|ordinal| ordinal > seen);
            self.changes.push(Change::Abandon {
                position,
                give_back: entry.signal.filter(|_| unseen),
            });
        }
        Ok(())
    }

    fn count_operation(&mut self) -> Result<(), CommitRefused> {
        if self.task.operations >= defaults::OPERATIONS_MAX {
            return Err(CommitRefused::TooManyOperations);
        }
        self.task.operations = self.task.operations.saturating_add(1);
        Ok(())
    }

    fn add_entry(
        &mut self,
        begun: Begun,
        child: Option<TaskId>,
        wake_at: Option<Timestamp>,
        outcome: Option<(Outcome, Option<Ordinal>)>,
    ) {
        let resolved = outcome.as_ref().map(|(outcome, ordinal)| Resolved {
            completed: outcome.is_completed(),
            ordinal: *ordinal,
        });
        self.changes.push(Change::AddEntry(HistoryEntry {
            head: EntryHead {
                position: begun.position,
                key: begun.key,
                operation: begun.operation,
                after: begun.after,
                child,
                wake_at,
                abandoned: false,
                signal: None,
                resolved,
            },
            outcome: outcome.map(|(outcome, _)| outcome),
        }));
    }

    /// Makes a child, leases it at once if that is asked for and possible, or refuses it if it could only wait for ever.
    fn call<V: CommitView>(
        &mut self,
        begun: Begun,
        child: ChildRequest,
        view: &mut V,
        now: Timestamp,
    ) -> Result<(), V::Error> {
        let function = child.task.function.clone();
        let slots = view.slots(&function)?;
        if let Some(slots) = &slots {
            let held = view.held_by_line(self.task.id, &function)?;
            if is_deadlock(slots, held) {
                let failure = deadlock(&function, slots, held);
                self.task.deliveries = self.task.deliveries.next();
                let ordinal = self.task.deliveries;
                self.add_entry(
                    begun,
                    None,
                    None,
                    Some((Outcome::Failed(failure), Some(ordinal))),
                );
                return Ok(());
            }
        }
        let taken = self.taken_slots.entry(function).or_default();
        let free = slots.is_none_or(|slots| slots.free() > *taken);
        let (mut task, input) = child.task.into_child(&self.task, begun.position, now);
        let leased = child
            .start
            .filter(|_| free)
            .and_then(|terms| lease::claim(task.clone(), &terms, slots.is_some(), now).ok());
        if let Some(leased) = leased {
            task = leased.task;
            *taken = taken.saturating_add(1);
            self.applied.started.push(StartedChild {
                task: Box::new(task.clone()),
            });
        } else {
            self.effects.push(Effect::Hint(Hint::due(&task)));
        }
        self.add_entry(begun, Some(task.id), None, None);
        self.changes.push(Change::AddChild {
            task: Box::new(task),
            input,
        });
        Ok(())
    }

    /// Begins a sleep, or a wait for a signal, which may be there already.
    fn wait<V: CommitView>(
        &mut self,
        begun: Begun,
        view: &mut V,
        now: Timestamp,
    ) -> Result<(), V::Error> {
        let position = begun.position;
        let wake_at = begun.operation.wake_at(now);
        let signal = match &begun.operation {
            Operation::Signal { name, .. } => {
                let taken = self.taken_signals.entry(name.clone()).or_default();
                let signal = view.unreceived_signal(self.task.execution, name, *taken)?;
                if signal.is_some() {
                    *taken = taken.saturating_add(1);
                }
                signal
            }
            Operation::Child { .. }
            | Operation::Step { .. }
            | Operation::Sleep { .. }
            | Operation::SleepUntil { .. }
            | Operation::Now
            | Operation::Random => None,
        };
        self.add_entry(begun, None, wake_at, None);
        if let Some(signal) = signal {
            self.task.deliveries = self.task.deliveries.next();
            let ordinal = self.task.deliveries;
            self.changes.push(Change::ReceiveSignal {
                signal,
                position,
                ordinal,
            });
        } else if let Some(at) = wake_at {
            self.applied.wakes.push((position, at));
        }
        Ok(())
    }

    fn finish<V: CommitView>(
        mut self,
        then: Then,
        view: &mut V,
        now: Timestamp,
    ) -> Result<Plan, V::Error> {
        if self.task.cancel_requested {
            return Ok(self.end(Outcome::Cancelled, now));
        }
        match then {
            Then::Continue => Ok(self.go_on()),
            Then::Suspend { seen } if seen != self.task.deliveries => Ok(self.go_on()),
            Then::Suspend { .. } => self.suspend(view),
            Then::Release => {
                let released = release(self.task.clone());
                self.task = released.task;
                self.effects.extend(released.effects);
                Ok(self.done())
            }
            Then::Fail {
                failure,
                policy,
                random,
            } => self.fail(failure, &policy, random, view, now),
            Then::End(outcome) => Ok(self.end(outcome, now)),
        }
    }

    /// Gives the lease up until something happens. The earliest of all waits that end by time is when the task is due again.
    /// A task that waits for nothing that is recorded keeps its lease: nothing could ever wake it.
    fn suspend<V: CommitView>(mut self, view: &mut V) -> Result<Plan, V::Error> {
        let mut waits = view.entries(self.task.id)?;
        waits.retain(|entry| !self.is_settled_now(entry.position));
        for change in &self.changes {
            if let Change::AddEntry(entry) = change {
                waits.push(entry.head.clone());
            }
        }
        waits.retain(EntryHead::is_waiting);
        if waits.is_empty() {
            return Ok(self.go_on());
        }
        let wake_at = waits.iter().filter_map(|entry| entry.wake_at).min();
        if let Some(slots) = view.slots(&self.task.function)?
            && slots.limit.while_waiting == WhileWaiting::Release
        {
            self.free_slot();
        }
        if let Some(at) = wake_at {
            self.task.queued_at = at;
        }
        self.task.state = State::Suspended { wake_at };
        Ok(self.done())
    }

    fn is_settled_now(&self, at: CallPosition) -> bool {
        self.changes.iter().any(|change| {
            matches!(change, Change::Abandon { position, .. } | Change::Resolve { position, .. } if *position == at)
        })
    }

    /// Ends a failed attempt: with another one to follow, or for good.
    fn fail<V: CommitView>(
        mut self,
        failure: Failure,
        policy: &RetryPolicy,
        random: u32,
        view: &mut V,
        now: Timestamp,
    ) -> Result<Plan, V::Error> {
        let random = f64::from(random) / f64::from(u32::MAX);
        let made_operations = self.task.operations > 0;
        let decision = after_failure(policy, &self.task, made_operations, &failure, now, random);
        let AfterFailure::Retry { delay } = decision else {
            let timed_out = matches!(failure.kind(), FailureKind::Timeout | FailureKind::Deadline);
            let outcome = if timed_out {
                Outcome::TimedOut(failure)
            } else {
                Outcome::Failed(failure)
            };
            return Ok(self.end(outcome, now));
        };
        if made_operations {
            self.forget_failed_end(view)?;
        }
        let run_at = now.saturating_add(delay);
        self.task.failed_attempts = self.task.failed_attempts.saturating_add(1);
        self.free_slot();
        self.task.queued_at = run_at;
        self.task.state = State::Pending { run_at };
        self.effects.push(Effect::Hint(Hint::due(&self.task)));
        Ok(self.done())
    }

    /// Removes from the history what a further attempt does anew, including what this very commit added.
    fn forget_failed_end<V: CommitView>(&mut self, view: &mut V) -> Result<(), V::Error> {
        let mut entries = view.entries(self.task.id)?;
        for change in &self.changes {
            match change {
                Change::AddEntry(entry) => entries.push(entry.head.clone()),
                Change::Resolve {
                    position,
                    outcome,
                    ordinal,
                } => {
                    resolve_in(&mut entries, *position, outcome.is_completed(), *ordinal);
                }
                Change::ReceiveSignal {
                    position, ordinal, ..
                } => {
                    resolve_in(&mut entries, *position, true, *ordinal);
                }
                Change::AddChild { .. } | Change::Abandon { .. } | Change::RemoveEntry(_) => {}
            }
        }
        let kept = keep_for_retry(&entries);
        forget(&mut self.task, &kept);
        self.changes
            .extend(kept.removed.into_iter().map(Change::RemoveEntry));
        Ok(())
    }

    fn end(mut self, outcome: Outcome, now: Timestamp) -> Plan {
        let outcome = match outcome {
            Outcome::TimedOut(failure) if failure.kind() == FailureKind::Deadline => {
                deadline_outcome()
            }
            Outcome::Completed(_)
            | Outcome::Failed(_)
            | Outcome::TimedOut(_)
            | Outcome::Cancelled => outcome,
        };
        let ended = end(self.task.clone(), outcome, now);
        self.task = ended.task;
        self.effects.extend(ended.effects);
        self.done()
    }

    fn free_slot(&mut self) {
        self.effects
            .extend(Hint::slot_freed(&self.task).map(Effect::Hint));
        self.task.holds_slot = false;
    }

    fn go_on(mut self) -> Plan {
        self.applied.still_held = true;
        self.done()
    }

    fn done(mut self) -> Plan {
        self.applied.deliveries = self.task.deliveries;
        self.applied.ended = Some(self.task.state.kind()).filter(|state| state.is_terminal());
        Plan {
            task: self.task,
            changes: self.changes,
            effects: self.effects,
            applied: self.applied,
        }
    }
}

fn resolve_in(
    entries: &mut [EntryHead],
    position: CallPosition,
    completed: bool,
    ordinal: Ordinal,
) {
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.position == position)
    {
        entry.resolved = Some(Resolved {
            completed,
            ordinal: Some(ordinal),
        });
    }
}

fn deadlock(function: &FunctionName, slots: &Slots, held: u32) -> Failure {
    Failure::new(
        FailureKind::SlotDeadlock,
        format!(
            "a call of `{function}` could only wait for itself: at most {} may run at once, and {held} of those slots are held by the tasks that \
             wait for this call. Raise its `max_concurrent`, let it release its slot with `while_waiting = \"release\"`, or don't call it from below itself",
            slots.limit.max_concurrent
        ),
    )
}
