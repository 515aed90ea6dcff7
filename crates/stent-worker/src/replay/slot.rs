//! One operation of a running body, and how many there are of each sort.

use std::{
    collections::{BTreeMap, BTreeSet},
    task::Waker,
};

use stent_core::{
    CallKey, CallPosition, Failure, FailureKind, NewTask, Operation, Ordinal, Outcome, Payload,
    TaskId, Timestamp,
    commit::{Assumed, HistoryWrite},
};

/// One operation as the body and the history know it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) operation: Operation,
    /// What it was given for a name, apart from its place in the program.
    pub(super) key: Option<CallKey>,
    /// The newest outcome that the body had when it asked for it.
    pub(super) after: Ordinal,
    /// The body has asked for it.
    pub(super) begun: bool,
    /// The body no longer waits for it.
    pub(super) abandoned: bool,
    /// It is recorded, or on its way: it is not written again.
    pub(super) recorded: bool,
    /// Its outcome, once known; given to the body when `delivered`.
    pub(super) outcome: Option<Outcome>,
    /// The body may have its outcome.
    pub(super) delivered: bool,
    /// Who waits for it.
    pub(super) waker: Option<Waker>,
    pub(super) progress: Progress,
}

/// What an operation without an outcome waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A time, as soon as the store has said which.
    Time(Option<Timestamp>),
    /// A signal, until a time at most.
    Signal(Option<Timestamp>),
    /// A child that another worker may run.
    RemoteChild,
    /// A child that this worker runs.
    LocalChild,
    /// A step that has not begun.
    StepWaiting,
    /// A step whose effect is going on.
    StepRunning,
    /// Nothing: it was answered on the spot.
    Nothing,
}

/// How many operations without an outcome there are of each sort, so that no turn looks at all of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Operations that something elsewhere may end at any moment, awaited or not.
    pub(super) foreign: usize,
    /// Children that run here, awaited or not: each may be recorded without its caller while that is busy.
    pub(super) local: usize,
    /// Children and signals that the body awaits.
    pub(super) others: usize,
    /// Waits that end by time alone and whose time the store has not said yet.
    pub(super) untimed: usize,
    /// Waits that end by time, awaited or not asked for yet.
    pub(super) timed: BTreeSet<(Timestamp, CallPosition)>,
    /// Awaited waits that end by time alone.
    pub(super) sleeps: usize,
    /// Awaited steps that have not begun.
    pub(super) steps_waiting: BTreeSet<CallPosition>,
    pub(super) steps_running: usize,
}

impl Tally {
    pub(super) fn count(&mut self, position: CallPosition, slot: &Slot, add: bool) {
        if slot.outcome.is_some() {
            return;
        }
        let awaited = slot.begun && !slot.abandoned;
        let bump = |counter: &mut usize, when: bool| match (when, add) {
            (true, true) => *counter = counter.saturating_add(1),
            (true, false) => *counter = counter.saturating_sub(1),
            (false, _) => {}
        };
        let at = match slot.progress {
            Progress::Time(at) => {
                bump(&mut self.sleeps, awaited);
                bump(&mut self.untimed, awaited && at.is_none());
                at
            }
            Progress::Signal(at) => {
                bump(&mut self.foreign, true);
                bump(&mut self.others, awaited);
                at
            }
            Progress::RemoteChild => {
                bump(&mut self.foreign, true);
                bump(&mut self.others, awaited);
                None
            }
            Progress::LocalChild => {
                bump(&mut self.local, true);
                bump(&mut self.others, awaited);
                None
            }
            Progress::StepWaiting => {
                if awaited && add {
                    self.steps_waiting.insert(position);
                } else {
                    self.steps_waiting.remove(&position);
                }
                None
            }
            Progress::StepRunning => {
                bump(&mut self.steps_running, true);
                None
            }
            Progress::Nothing => None,
        };
        if let Some(at) = at.filter(|_| !slot.abandoned) {
            if add {
                self.timed.insert((at, position));
            } else {
                self.timed.remove(&(at, position));
            }
        }
    }
}

/// What is to be committed.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) writes: Vec<HistoryWrite>,
    pub(crate) assumes: Vec<Assumed>,
    /// Children that this worker would like to start, with their call and arguments.
    pub(crate) starting: BTreeMap<TaskId, (CallPosition, Payload)>,
}

/// What a pending body waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// It waits for a recorded operation.
    pub(crate) any: bool,
    /// Among these are some that end by other things than time.
    pub(crate) others: bool,
    /// The earliest time at which one of them ends, once the store has said so of all.
    pub(crate) until: Option<Timestamp>,
    /// A step's effect is going on, or is about to.
    pub(crate) steps: bool,
}

/// What a body asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Child {
        operation: Operation,
        task: Box<NewTask>,
    },
    Wait(Operation),
    Step {
        operation: Operation,
    },
}

impl Asked {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Child { operation, .. } | Self::Wait(operation) | Self::Step { operation } => {
                operation.clone()
            }
        }
    }
}

pub(super) fn progress(operation: &Operation, wake_at: Option<Timestamp>) -> Progress {
    match operation {
        Operation::Child { .. } => Progress::RemoteChild,
        Operation::Step { .. } => Progress::StepWaiting,
        Operation::Sleep { .. } | Operation::SleepUntil { .. } => Progress::Time(wake_at),
        Operation::Signal { .. } => Progress::Signal(wake_at),
        Operation::Now | Operation::Random => Progress::Nothing,
    }
}

pub(super) fn signal_timed_out(operation: &Operation) -> Outcome {
    Outcome::TimedOut(Failure::new(
        FailureKind::Timeout,
        format!("no answer came in time to the {operation}"),
    ))
}
