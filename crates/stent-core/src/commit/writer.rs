//! How a commit's writes and its verdict change a task, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Applied, Change, ChildRequest, CommitRefused, CommitView, HistoryWrite, Place, Plan,
    StartedChild, Then, held_by_line,
};
use crate::{
    CallKey, CallPosition, Effect, Failure, FailureKind, FunctionName, Hint, Operation, Ordinal,
    Outcome, SignalName, State, Task, TaskId, Timestamp,
    dead_letter::forget,
    defaults,
    end::end,
    history::{EntryHead, HistoryEntry, Resolved, keep_for_retry},
    lease::{self, deadline_outcome, release},
    limit::{Slots, WhileWaiting, is_deadlock},
    retry::{AfterFailure, RetryPolicy, after_failure},
};

/// Collects what a commit changes.
pub(super) struct Writer {
    pub(super) task: Task,
    changes: Vec<Change>,
    effects: Vec<Effect>,
    applied: Applied,
    /// Slots that children of this commit took.
    taken_slots: BTreeMap<FunctionName, u32>,
    /// Signals that waits of this commit took.
    taken_signals: BTreeMap<SignalName, u32>,
    /// Positions that this commit filled.
    filled: BTreeSet<CallPosition>,
    /// Positions that this commit gives up.
    given_up: BTreeSet<CallPosition>,
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
    pub(super) fn new(task: Task, writes: &[HistoryWrite]) -> Self {
        let given_up = writes.iter().filter_map(|write| match write {
            HistoryWrite::Abandon { position, .. } => Some(*position),
            HistoryWrite::Begin { .. }
            | HistoryWrite::Record { .. }
            | HistoryWrite::Resolve { .. } => None,
        });
        Self {
            given_up: given_up.collect(),
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

    pub(super) fn write<V: CommitView>(
        &mut self,
        write: HistoryWrite,
        view: &mut V,
        now: Timestamp,
    ) -> Result<Result<(), CommitRefused>, V::Error> {
        // What the body has seen and the history does not hold is lost with the store's newest transactions. What it did since belongs to another
        // history; kept in this one, a replay would wait for an operation that only follows what comes later.
        if write.seen() > self.task.deliveries {
            return Ok(Err(CommitRefused::Stale));
        }
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

    /// Whether a body that is to be suspended has seen what the history does not hold.
    pub(super) fn is_ahead(&self, then: &Then) -> bool {
        matches!(then, Then::Suspend { seen, .. } if *seen > self.task.deliveries)
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
                abandoned: resolved.is_none() && self.given_up.contains(&begun.position),
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
            let held = held_by_line(&self.task, &function, view)?;
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
            // What the body gave up before it was recorded leaves the signal to the next that asks.
            Operation::Signal { .. } if self.given_up.contains(&position) => None,
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

    pub(super) fn finish<V: CommitView>(
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
            Then::Suspend { seen, .. } if seen != self.task.deliveries => Ok(self.go_on()),
            Then::Suspend { attempt_ends, .. } => self.suspend(attempt_ends, view),
            Then::Release => {
                let released = release(self.task.clone(), now);
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

    /// Gives the lease up until something happens. The earliest of all waits that end by time is when the task is due again, and its attempt's
    /// end is one of them.
    /// A task that waits for nothing that is recorded keeps its lease: nothing could ever wake it.
    fn suspend<V: CommitView>(
        mut self,
        attempt_ends: Option<Timestamp>,
        view: &mut V,
    ) -> Result<Plan, V::Error> {
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
        self.task.attempt_ends = attempt_ends.or(self.task.attempt_ends);
        let wakes = waits.iter().filter_map(|entry| entry.wake_at);
        let wake_at = wakes.chain(self.task.attempt_ends).min();
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
        let entries = self.entries_now(view)?;
        let made_calls = entries.iter().any(|entry| entry.operation.is_call());
        let decision = after_failure(policy, &self.task, made_calls, &failure, now, random);
        let AfterFailure::Retry { delay } = decision else {
            let timed_out = matches!(failure.kind(), FailureKind::Timeout | FailureKind::Deadline);
            let outcome = if timed_out {
                Outcome::TimedOut(failure)
            } else {
                Outcome::Failed(failure)
            };
            return Ok(self.end(outcome, now));
        };
        self.forget_failed_end(&entries);
        let run_at = now.saturating_add(delay);
        self.task.failed_attempts = self.task.failed_attempts.saturating_add(1);
        self.task.attempt_ends = None;
        self.free_slot();
        self.task.queued_at = run_at;
        self.task.state = State::Pending { run_at };
        self.effects.push(Effect::Hint(Hint::due(&self.task)));
        Ok(self.done())
    }

    /// The task's history, including what this very commit adds.
    fn entries_now<V: CommitView>(&self, view: &mut V) -> Result<Vec<EntryHead>, V::Error> {
        let mut entries = if self.has_history {
            view.entries(self.task.id)?
        } else {
            Vec::new()
        };
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
                Change::Abandon { position, .. } => {
                    let mut entries = entries.iter_mut();
                    if let Some(entry) = entries.find(|entry| entry.position == *position) {
                        entry.abandoned = true;
                    }
                }
                Change::AddChild { .. } | Change::RemoveEntry(_) => {}
            }
        }
        Ok(entries)
    }

    /// Removes from the history what a further attempt does anew.
    fn forget_failed_end(&mut self, entries: &[EntryHead]) {
        let kept = keep_for_retry(entries);
        forget(&mut self.task, &kept);
        self.changes
            .extend(kept.removed.into_iter().map(Change::RemoveEntry));
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
