//! The history of one task while its body runs: what was recorded, what the body asks for, and which outcome it is given next.
//!
//! Pure: no I/O, no clock, no threads. The runner polls the body, hands outcomes in, and takes writes out.
//!
//! **Invariants**
//! * Outcomes are delivered one at a time, in the order of their ordinals, without a gap.
//! * An operation that is recorded is never asked for again; one that is not what was recorded ends the body.
//! * What the body was given before it was committed is listed in [`Replay::assumed`] until a commit confirms it.

mod asks;
mod order;
mod positions;
mod slot;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
};

use stent_core::{
    CallKey, CallPosition, Fence, FunctionName, HistoryEntry, NewTask, Operation, Ordinal, Outcome,
    Payload, Timestamp,
    commit::{Assumed, ChildRequest, HistoryWrite, Place},
    history::Mismatch,
    lease::LeaseTerms,
};

pub(crate) use self::slot::{Asked, Waits, Writes};
use self::{
    asks::Asks,
    order::Order,
    positions::Positions,
    slot::{Progress, Slot, Tally, progress, signal_timed_out},
};

/// The history of a task that is being run.
#[derive(Debug)]
pub(crate) struct Replay {
    function: FunctionName,
    slots: BTreeMap<CallPosition, Slot>,
    positions: Positions,
    order: Order,
    /// Outcomes of steps and fired waits that have no place yet, in the order in which they came.
    unplaced: Vec<CallPosition>,
    /// What the body has asked for or recorded since the last commit.
    asks: Asks,
    /// Outcomes that were placed here and are not committed.
    assumed: Vec<Assumed>,
    /// An outcome is on its way to the store, which will say its place.
    awaiting_place: BTreeSet<CallPosition>,
    mismatch: Option<Mismatch>,
    newest_now: Timestamp,
    /// A commit is on its way that holds what the body was given.
    settling: bool,
    tally: Tally,
}

impl Replay {
    pub(crate) fn new(function: FunctionName, history: Vec<HistoryEntry>) -> Self {
        let mut replay = Self {
            function,
            slots: BTreeMap::new(),
            positions: Positions::default(),
            order: Order::default(),
            unplaced: Vec::new(),
            asks: Asks::default(),
            assumed: Vec::new(),
            awaiting_place: BTreeSet::new(),
            mismatch: None,
            newest_now: Timestamp::MIN,
            settling: false,
            tally: Tally::default(),
        };
        for entry in history {
            replay.load(entry);
        }
        replay
    }

    fn load(&mut self, entry: HistoryEntry) {
        let head = entry.head;
        self.positions.load(head.position, head.key.as_ref());
        let ordinal = head.resolved.and_then(|resolved| resolved.ordinal);
        if let Some(ordinal) = ordinal {
            self.order.put(ordinal, head.position);
        }
        // What the body gave up it gives up again, however late it is begun anew: nothing ends it any more, no time and no signal.
        let given_up = head.was_given_up();
        let waits_for = progress(&head.operation, head.wake_at);
        self.add(
            head.position,
            Slot {
                progress: if given_up {
                    Progress::Nothing
                } else {
                    waits_for
                },
                operation: head.operation,
                key: head.key,
                after: head.after,
                begun: false,
                abandoned: given_up,
                recorded: true,
                delivered: head.resolved.is_some() && ordinal.is_none(),
                outcome: entry.outcome,
                waker: None,
            },
        );
    }

    fn add(&mut self, position: CallPosition, slot: Slot) {
        self.tally.count(position, &slot, true);
        self.slots.insert(position, slot);
    }

    /// Changes a slot, and what is counted of it.
    fn change<R>(
        &mut self,
        position: CallPosition,
        change: impl FnOnce(&mut Slot) -> R,
    ) -> Option<R> {
        let slot = self.slots.get_mut(&position)?;
        self.tally.count(position, slot, false);
        let answer = change(slot);
        self.tally.count(position, slot, true);
        Some(answer)
    }

    /// Takes the next position in program order.
    pub(crate) fn reserve(&mut self) -> CallPosition {
        self.positions.reserve()
    }

    /// Gives a position back, if it is the newest.
    pub(crate) fn release(&mut self, position: CallPosition) {
        self.positions.release(position);
    }

    /// Begins an operation at a position, or at that of its key.
    pub(crate) fn begin(
        &mut self,
        position: CallPosition,
        key: Option<CallKey>,
        asked: Asked,
    ) -> CallPosition {
        let position = match &key {
            Some(key) => self.positions.of_key(key),
            None => position,
        };
        let operation = asked.operation();
        let known = self.change(position, |slot| {
            let agrees = slot.operation.is_same(&operation) && !slot.begun;
            slot.begun |= agrees;
            (agrees, slot.operation.clone())
        });
        match known {
            Some((true, _)) => return position,
            Some((false, recorded)) => {
                self.differs(position, recorded, operation);
                return position;
            }
            None => {}
        }
        let after = self.order.delivered();
        self.add(
            position,
            Slot {
                progress: progress(&operation, None),
                operation: operation.clone(),
                key: key.clone(),
                after: self.order.delivered(),
                begun: true,
                abandoned: false,
                recorded: !matches!(asked, Asked::Step { .. }),
                outcome: None,
                delivered: false,
                waker: None,
            },
        );
        let child = match asked {
            Asked::Child { task, .. } => Some(ChildRequest {
                task: *task,
                start: None,
            }),
            Asked::Wait(_) => None,
            // A step is recorded with its outcome.
            Asked::Step { .. } => return position,
        };
        self.asks.add(HistoryWrite::Begin {
            position,
            key,
            operation,
            after,
            child,
        });
        position
    }

    /// Answers `now` or a random value: the recorded one, or `fresh`, which is recorded with the next commit.
    pub(crate) fn value(
        &mut self,
        operation: Operation,
        fresh: impl FnOnce(CallPosition) -> Payload,
    ) -> Payload {
        let position = self.reserve();
        if let Some(slot) = self.slots.get_mut(&position) {
            if slot.operation == operation
                && let Some(Outcome::Completed(value)) = &slot.outcome
            {
                slot.begun = true;
                return value.clone();
            }
            let recorded = slot.operation.clone();
            self.differs(position, recorded, operation);
            return fresh(position);
        }
        let value = fresh(position);
        self.add(
            position,
            Slot {
                progress: Progress::Nothing,
                operation: operation.clone(),
                key: None,
                after: self.order.delivered(),
                begun: true,
                abandoned: false,
                recorded: true,
                outcome: Some(Outcome::Completed(value.clone())),
                delivered: true,
                waker: None,
            },
        );
        self.asks.add(HistoryWrite::Record {
            position,
            key: None,
            operation,
            after: self.order.delivered(),
            outcome: Outcome::Completed(value.clone()),
            place: Place::None,
        });
        value
    }

    /// The present instant for the body: never earlier than one that it saw.
    pub(crate) fn no_earlier(&mut self, now: Timestamp) -> Timestamp {
        self.newest_now = self.newest_now.max(now);
        self.newest_now
    }

    fn differs(&mut self, position: CallPosition, recorded: Operation, asked: Operation) {
        self.mismatch.get_or_insert(Mismatch::Different {
            function: self.function.clone(),
            position,
            recorded,
            asked,
        });
    }

    /// Takes an outcome that the body may have; else remembers who waits.
    pub(crate) fn poll(&mut self, position: CallPosition, waker: &Waker) -> Option<Outcome> {
        let slot = self.slots.get_mut(&position)?;
        if slot.delivered {
            return slot.outcome.clone();
        }
        slot.waker = Some(waker.clone());
        None
    }

    /// Whether a step may begin: all that the body was given is committed.
    pub(crate) fn start_step(&mut self, position: CallPosition, waker: &Waker) -> bool {
        let may_begin = self.is_settled() && self.mismatch.is_none();
        let started = self.change(position, |slot| {
            let waits =
                slot.progress == Progress::StepWaiting && !slot.recorded && slot.outcome.is_none();
            if waits && may_begin {
                slot.progress = Progress::StepRunning;
                return true;
            }
            slot.waker = Some(waker.clone());
            false
        });
        started.unwrap_or(false)
    }

    /// Whether a step waits only for what the body was given to be committed.
    pub(crate) fn wants_to_settle(&self) -> bool {
        !self.tally.steps_waiting.is_empty() && !self.is_settled()
    }

    /// Whether everything that the body was given is committed.
    fn is_settled(&self) -> bool {
        self.assumed.is_empty() && !self.settling && !self.asks.hold_outcomes()
    }

    /// Hands in how an operation ended here: a step that was run, a wait whose time came.
    pub(crate) fn finish(&mut self, position: CallPosition, outcome: Outcome) {
        let news = self.change(position, |slot| {
            if slot.outcome.is_some() {
                return false;
            }
            slot.progress = Progress::Nothing;
            slot.outcome = Some(outcome);
            true
        });
        if news == Some(true) {
            self.unplaced.push(position);
        }
    }

    /// The body no longer waits for an operation.
    pub(crate) fn abandon(&mut self, position: CallPosition) {
        let seen = self.order.delivered();
        let tell = self.change(position, |slot| {
            slot.waker = None;
            if slot.delivered || slot.abandoned {
                return false;
            }
            slot.abandoned = true;
            if slot.progress == Progress::StepRunning {
                slot.progress = Progress::StepWaiting;
            }
            match slot.operation {
                // Even one that has been received: it stays for the next who asks.
                Operation::Signal { .. } => true,
                Operation::Sleep { .. } | Operation::SleepUntil { .. } => slot.outcome.is_none(),
                // A child goes on, and a step without an outcome is no entry.
                Operation::Child { .. }
                | Operation::Step { .. }
                | Operation::Now
                | Operation::Random => false,
            }
        });
        if tell == Some(true) {
            self.asks.add(HistoryWrite::Abandon { position, seen });
        }
    }

    /// Learns an outcome that the store recorded; false when the body was given another one in its place, or it in another: then the store has lost
    /// what was recorded before.
    pub(crate) fn record(
        &mut self,
        position: CallPosition,
        ordinal: Ordinal,
        outcome: Option<Outcome>,
    ) -> bool {
        if self.contradicts(position, ordinal) {
            return false;
        }
        self.awaiting_place.remove(&position);
        self.change(position, |slot| {
            slot.progress = Progress::Nothing;
            if slot.outcome.is_none() {
                slot.outcome = outcome;
            }
        });
        if ordinal > self.order.delivered() {
            self.order.put(ordinal, position);
        }
        true
    }

    /// Whether an outcome cannot have this place in the history that the body goes by.
    fn contradicts(&self, position: CallPosition, ordinal: Ordinal) -> bool {
        if ordinal <= self.order.delivered() {
            let slot = self.slots.get(&position);
            return slot.is_some_and(|slot| !slot.delivered);
        }
        let other = self.order.at(ordinal);
        other.is_some_and(|other| other != position)
    }

    /// Learns where the store put an outcome that the body may have been given before; false when the body was given it in another place.
    pub(crate) fn confirm(&mut self, position: CallPosition, ordinal: Ordinal) -> bool {
        let Some(at) = self.assumed.iter().position(|a| a.position == position) else {
            return true;
        };
        self.assumed.remove(at).ordinal == ordinal
    }

    /// Whether an outcome of this operation was given to the body before it was committed.
    pub(crate) fn is_assumed(&self, position: CallPosition) -> bool {
        self.assumed
            .iter()
            .any(|assumed| assumed.position == position)
    }

    /// The commit that was on its way was applied.
    pub(crate) fn committed(&mut self) {
        self.settling = false;
        self.wake_steps();
    }

    /// Lets steps that waited look again.
    fn wake_steps(&mut self) {
        for position in &self.tally.steps_waiting {
            let slot = self.slots.get_mut(position);
            if let Some(waker) = slot.and_then(|slot| slot.waker.take()) {
                waker.wake();
            }
        }
    }

    /// Gives an outcome that is not committed the next place, so that the body can go on with it.
    pub(crate) fn assume(
        &mut self,
        position: CallPosition,
        outcome: Outcome,
        child: Fence,
    ) -> Ordinal {
        let ordinal = self.newest().next();
        self.change(position, |slot| {
            slot.outcome = Some(outcome);
            slot.progress = Progress::Nothing;
        });
        self.order.put(ordinal, position);
        self.assumed.push(Assumed {
            position,
            ordinal,
            child: Some(child),
        });
        ordinal
    }

    /// The newest ordinal that is known.
    pub(crate) fn newest(&self) -> Ordinal {
        self.order.newest()
    }

    /// The newest ordinal without a gap before it: what to ask the store for more after.
    pub(crate) const fn known_without_gap(&self) -> Ordinal {
        self.order.known()
    }

    pub(crate) const fn delivered(&self) -> Ordinal {
        self.order.delivered()
    }

    /// Whether nothing that happens elsewhere can take the next place: then the body may run ahead of the commit.
    pub(crate) fn may_run_ahead(&self) -> bool {
        self.awaiting_place.is_empty() && self.tally.foreign == 0
    }

    /// Gives the body its next outcome, if one is there. The body is polled before the next.
    pub(crate) fn deliver_next(&mut self) -> bool {
        if self.mismatch.is_some() {
            return false;
        }
        self.place_what_ended_here();
        let Some(position) = self.order.next() else {
            return false;
        };
        let Some(slot) = self.slots.get_mut(&position) else {
            return false;
        };
        // The body may come to ask for it only after something that is not durable. What it gave up on needs no outcome.
        if !slot.begun || (slot.outcome.is_none() && !slot.abandoned) {
            return false;
        }
        self.order.deliver();
        slot.delivered = true;
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        true
    }

    /// Finds a place for what ended here: at once when nothing can come between, else wherever the store puts it.
    fn place_what_ended_here(&mut self) {
        if self.unplaced.is_empty() {
            return;
        }
        let run_ahead = self.may_run_ahead()
            && self.tally.local == 0
            && self.known_without_gap() == self.newest();
        for position in std::mem::take(&mut self.unplaced) {
            let place = if run_ahead {
                let ordinal = self.newest().next();
                self.order.put(ordinal, position);
                Place::Exactly(ordinal)
            } else {
                self.awaiting_place.insert(position);
                Place::Next
            };
            let Some(slot) = self.slots.get_mut(&position) else {
                continue;
            };
            let Some(outcome) = slot.outcome.clone() else {
                continue;
            };
            let write = if std::mem::replace(&mut slot.recorded, true) {
                HistoryWrite::Resolve {
                    position,
                    outcome,
                    place,
                }
            } else {
                HistoryWrite::Record {
                    position,
                    key: slot.key.clone(),
                    operation: slot.operation.clone(),
                    after: slot.after,
                    outcome,
                    place,
                }
            };
            self.asks.add(write);
        }
    }

    fn missing(&mut self, position: CallPosition, recorded: Operation, did: &'static str) {
        self.mismatch.get_or_insert(Mismatch::Missing {
            function: self.function.clone(),
            position,
            recorded,
            did,
        });
    }

    /// The body does nothing any more, and the next outcome belongs to an operation that it never asked for: then it never will.
    pub(crate) fn rests(&mut self) {
        if let Some(position) = self.order.next()
            && let Some(slot) = self.slots.get(&position)
            && !slot.begun
        {
            let recorded = slot.operation.clone();
            self.missing(position, recorded, "waits");
        }
    }

    /// What is wrong between code and history, if anything is. When the body has ended, all that was recorded must have been asked for.
    pub(crate) fn mismatch(&mut self, ended: bool) -> Option<Mismatch> {
        if ended && self.mismatch.is_none() {
            let unasked = self.slots.iter().find(|(_, slot)| !slot.begun);
            if let Some((position, slot)) = unasked {
                let (position, recorded) = (*position, slot.operation.clone());
                self.missing(position, recorded, "ended");
            }
        }
        self.mismatch.clone()
    }

    /// What is to be committed next: writes, as many as one commit takes, and what the body was given before it was committed. `start` says which
    /// children this worker starts.
    pub(crate) fn take_writes(
        &mut self,
        mut start: impl FnMut(&NewTask) -> Option<LeaseTerms>,
    ) -> Writes {
        let mut writes = self.asks.take();
        let mut starting = BTreeMap::new();
        for write in &mut writes {
            if let HistoryWrite::Begin {
                position,
                child: Some(child),
                ..
            } = write
            {
                child.start = start(&child.task);
                if child.start.is_some() {
                    starting.insert(child.task.id, (*position, child.task.input.clone()));
                }
            }
        }
        self.settling = true;
        Writes {
            writes,
            assumes: self.assumed.clone(),
            starting,
        }
    }

    /// Whether there is something that should not wait for another commit.
    pub(crate) const fn has_urgent_writes(&self) -> bool {
        self.asks.are_urgent()
    }

    /// Whether all that is to be written fits one commit.
    pub(crate) fn fits_one_commit(&self) -> bool {
        self.asks.fit_one_commit()
    }

    /// Writes nothing any more but outcomes.
    pub(crate) fn begin_no_more(&mut self) {
        self.asks.keep_outcomes();
    }

    /// Whether all outcomes that ended here have a place, so that a suspension can say what the body has seen.
    pub(crate) fn may_suspend(&self) -> bool {
        self.awaiting_place.is_empty() && self.unplaced.is_empty()
    }

    /// Learns when a wait ends.
    pub(crate) fn wake_at(&mut self, position: CallPosition, at: Timestamp) {
        self.change(position, |slot| match &mut slot.progress {
            Progress::Time(wake_at) | Progress::Signal(wake_at) => *wake_at = Some(at),
            Progress::RemoteChild
            | Progress::LocalChild
            | Progress::StepWaiting
            | Progress::StepRunning
            | Progress::Nothing => {}
        });
    }

    /// A child is run by this worker, or no longer is.
    pub(crate) fn child_is_local(&mut self, position: CallPosition, local: bool) {
        self.change(position, |slot| {
            let child = matches!(slot.progress, Progress::LocalChild | Progress::RemoteChild);
            if child && local {
                slot.progress = Progress::LocalChild;
            } else if child {
                slot.progress = Progress::RemoteChild;
            }
        });
    }

    /// Whether an operation is a child that this worker runs.
    pub(crate) fn is_local_child(&self, position: CallPosition) -> bool {
        self.slots
            .get(&position)
            .is_some_and(|slot| slot.progress == Progress::LocalChild && slot.outcome.is_none())
    }

    /// Ends waits whose time has come; answers when the next one's time comes.
    pub(crate) fn fire(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due: Vec<_> = self
            .tally
            .timed
            .range(..=(now, CallPosition(u32::MAX)))
            .map(|(_, position)| *position)
            .collect();
        for position in due {
            let outcome = match self.slots.get(&position) {
                Some(slot) if !slot.begun => continue,
                Some(slot) if matches!(slot.operation, Operation::Signal { .. }) => {
                    signal_timed_out(&slot.operation)
                }
                Some(_) => Outcome::Completed(Payload::null()),
                None => continue,
            };
            self.finish(position, outcome);
        }
        let later = (now, CallPosition(u32::MAX));
        self.tally.timed.range(later..).next().map(|(at, _)| *at)
    }

    /// What the body waits for, when it is pending.
    pub(crate) fn waits(&self) -> Waits {
        Waits {
            any: self.tally.others > 0 || self.tally.sleeps > 0,
            others: self.tally.others > 0,
            until: self
                .tally
                .timed
                .first()
                .map(|(at, _)| *at)
                .filter(|_| self.tally.untimed == 0),
            steps: self.tally.steps_running > 0 || !self.tally.steps_waiting.is_empty(),
        }
    }
}
