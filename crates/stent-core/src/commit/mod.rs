//! What a holder may write: the one rule by which a commit is applied, whole or not at all.
//!
//! A commit carries its fence and its number under that fence. A commit that comes again, because nobody knew whether it had arrived, is
//! recognised by its number; one that comes late, from a holder that lost its lease, by its fence. Neither changes anything.

mod writer;

use self::writer::Writer;
use crate::{
    CallKey, CallPosition, Effect, Epoch, ExecutionId, Failure, Fence, FunctionName, NewTask,
    Operation, Ordinal, Outcome, Payload, SignalId, SignalName, Task, TaskId, Timestamp, defaults,
    history::{EntryHead, HistoryEntry},
    lease::{self, LeaseTerms},
    limit::Slots,
    retry::RetryPolicy,
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
    /// The store's epoch when the task was claimed.
    pub epoch: Epoch,
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
    /// What the child's claim handed out, whose holder ended it so. Another holder may have ended it otherwise, and been recorded at that place.
    /// None asks for the place alone.
    pub child: Option<Fence>,
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

impl HistoryWrite {
    /// The newest outcome that the body had seen when it asked for this.
    #[must_use]
    pub const fn seen(&self) -> Ordinal {
        match self {
            Self::Begin { after, .. } | Self::Record { after, .. } => *after,
            Self::Resolve { .. } => Ordinal::NONE,
            Self::Abandon { seen, .. } => *seen,
        }
    }
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

impl TaskCommit {
    /// Whether it only gives the task back: that needs no knowledge of its past.
    #[must_use]
    pub const fn only_releases(&self) -> bool {
        self.writes.is_empty() && self.assumes.is_empty() && matches!(self.then, Then::Release)
    }

    /// The bytes of the payloads that it holds.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let end = match &self.then {
            Then::End(outcome) => bytes_of(outcome),
            Then::Continue | Then::Suspend { .. } | Then::Release | Then::Fail { .. } => 0,
        };
        let writes = self.writes.iter().map(HistoryWrite::payload_bytes);
        writes.fold(end, usize::saturating_add)
    }
}

impl HistoryWrite {
    /// The bytes of the payload that it holds.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Begin {
                child: Some(child), ..
            } => child.task.input.as_str().len(),
            Self::Record { outcome, .. } | Self::Resolve { outcome, .. } => bytes_of(outcome),
            Self::Begin { child: None, .. } | Self::Abandon { .. } => 0,
        }
    }
}

fn bytes_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Completed(payload) => payload.as_str().len(),
        Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Cancelled => 0,
    }
}

/// Whether a commit of one task takes a further write: it holds [`defaults::BATCH_MAX`] at most, and none after their payloads have come to
/// [`defaults::COMMIT_BATCH_BYTES`]. What is left goes with the task's next commit, in order.
#[must_use]
pub const fn takes_more(writes: usize, payload_bytes: usize) -> bool {
    writes < defaults::BATCH_MAX && payload_bytes < defaults::COMMIT_BATCH_BYTES
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
        /// When its attempt must have ended, by the store's clock: then it is due, whatever it waits for.
        attempt_ends: Option<Timestamp>,
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

    /// Another task of the same execution: one above this task, or a child of it.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn task(&mut self, task: TaskId) -> Result<Option<Task>, Self::Error>;

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
    /// Whether it had been applied before. The rest is answered as it stands now; children that were started and have moved on are left out.
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
    /// Something was recorded that the body has not seen, or not in that order, or the body has seen what is not recorded, or its history has another
    /// operation at a position: forget the body, and replay.
    #[error("the body ran ahead of its history")]
    Stale,
    /// The store came back without its newest transactions since the task was claimed: forget the body, and give the task back.
    #[error("the store came back without its newest transactions")]
    OtherEpoch,
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
    epoch: Epoch,
) -> Result<Result<Plan, CommitRefused>, V::Error> {
    if let Some(refused) = refusal(&task, &commit, epoch) {
        return Ok(Err(refused));
    }
    if is_repeated(&task, &commit) {
        let applied = repeated(&task, &commit, view)?;
        return Ok(Ok(Plan {
            task,
            changes: Vec::new(),
            effects: Vec::new(),
            applied,
        }));
    }
    for assumed in &commit.assumes {
        let entry = view.entry(task.id, assumed.position)?;
        let Some(entry) = entry else {
            return Ok(Err(CommitRefused::Stale));
        };
        if entry.resolved.and_then(|resolved| resolved.ordinal) != Some(assumed.ordinal) {
            return Ok(Err(CommitRefused::Stale));
        }
        if let Some(fence) = assumed.child {
            let child = match entry.child {
                Some(child) => view.task(child)?,
                None => None,
            };
            if child.is_none_or(|child| child.fence != fence) {
                return Ok(Err(CommitRefused::Stale));
            }
        }
    }
    let mut writer = Writer::new(task, &commit.writes);
    for write in commit.writes {
        if let Err(refused) = writer.write(write, view, now)? {
            return Ok(Err(refused));
        }
    }
    if writer.is_ahead(&commit.then) {
        return Ok(Err(CommitRefused::Stale));
    }
    writer.task.commits = commit.number;
    writer.finish(commit.then, view, now).map(Ok)
}

/// Whether this very commit was the last one that was applied.
fn is_repeated(task: &Task, commit: &TaskCommit) -> bool {
    commit.number == task.commits && commit.number > 0
}

/// Why a commit may not be applied.
fn refusal(task: &Task, commit: &TaskCommit, epoch: Epoch) -> Option<CommitRefused> {
    if task.fence != commit.fence {
        return Some(CommitRefused::LeaseLost);
    }
    if is_repeated(task, commit) {
        return None;
    }
    if lease::check(task, commit.fence).is_err() {
        return Some(CommitRefused::LeaseLost);
    }
    if commit.epoch != epoch {
        // Its number says nothing: those before it may be lost.
        return (!commit.only_releases()).then_some(CommitRefused::OtherEpoch);
    }
    if commit.number != task.commits.saturating_add(1) {
        return Some(CommitRefused::OutOfOrder {
            number: commit.number,
            applied: task.commits,
        });
    }
    let goes_on = matches!(commit.then, Then::Continue);
    (task.cancel_requested && goes_on).then_some(CommitRefused::CancelRequested)
}

/// What the holder is told of a commit whose first answer it may not have heard: what that said, as far as it still holds.
fn repeated<V: CommitView>(
    task: &Task,
    commit: &TaskCommit,
    view: &mut V,
) -> Result<Applied, V::Error> {
    let mut applied = Applied {
        repeated: true,
        still_held: lease::check(task, commit.fence).is_ok(),
        deliveries: task.deliveries,
        ended: Some(task.state.kind()).filter(|state| state.is_terminal()),
        ..Applied::default()
    };
    if !applied.still_held {
        return Ok(applied);
    }
    for write in &commit.writes {
        match write {
            HistoryWrite::Begin {
                position, child, ..
            } => {
                if let Some(at) = view.entry(task.id, *position)?.and_then(|e| e.wake_at) {
                    applied.wakes.push((*position, at));
                }
                if let Some(child) = child
                    && let Some(terms) = &child.start
                    && let Some(child) = view.task(child.task.id)?
                    && child.fence.mark == terms.mark
                    && child.commits == 0
                    && lease::check(&child, child.fence).is_ok()
                {
                    let task = Box::new(child);
                    applied.started.push(StartedChild { task });
                }
            }
            HistoryWrite::Record { position, .. } | HistoryWrite::Resolve { position, .. } => {
                let resolved = view.entry(task.id, *position)?.and_then(|e| e.resolved);
                if let Some(ordinal) = resolved.and_then(|resolved| resolved.ordinal) {
                    applied.recorded.push((*position, ordinal));
                }
            }
            HistoryWrite::Abandon { .. } => {}
        }
    }
    Ok(applied)
}

/// How many slots of a function are held by a task itself and those above it.
fn held_by_line<V: CommitView>(
    task: &Task,
    function: &FunctionName,
    view: &mut V,
) -> Result<u32, V::Error> {
    let holds = |task: &Task| u32::from(task.holds_slot && task.function == *function);
    let mut held = holds(task);
    let mut above = task.parent;
    while let Some(link) = above {
        let Some(task) = view.task(link.task)? else {
            break;
        };
        held = held.saturating_add(holds(&task));
        above = task.parent;
    }
    Ok(held)
}
