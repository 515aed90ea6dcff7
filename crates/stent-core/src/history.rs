//! Recorded operations of a task, by call position, and the order in which their outcomes are delivered to it.
//!
//! **Invariant:** an outcome, once it has an ordinal, keeps it; ordinals of a task have no gap; and only the store, under the task's lock,
//! hands them out. So a resumed task sees the same outcomes in the same order.

use std::{fmt, time::Duration};

use crate::{
    CallKey, CallPosition, FunctionName, Hint, Ordinal, Outcome, SignalId, SignalName, State,
    StepName, Task, TaskId, Timestamp,
    transition::{Refused, Transition},
};

/// What a durable operation is, as far as its identity goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A call of another durable function.
    Child {
        /// The function.
        function: FunctionName,
        /// [`crate::Payload::digest`] of its input.
        input: i64,
    },
    /// A side effect, run in place.
    Step {
        /// Its name.
        name: StepName,
    },
    /// A wait for a span of time.
    Sleep {
        /// How long.
        span: Duration,
    },
    /// A wait for an instant.
    SleepUntil {
        /// Until when.
        at: Timestamp,
    },
    /// A wait for an outside event.
    Signal {
        /// Its name.
        name: SignalName,
        /// How long to wait at most.
        timeout: Option<Duration>,
    },
    /// The present instant.
    Now,
    /// A random value.
    Random,
}

impl Operation {
    /// Whether an operation that was recorded is the one that is asked for now.
    ///
    /// Spans and inputs may have been computed from code that changed; the history's one counts for what waits already, so a sleep's span
    /// is no part of its identity. A child's input is: its outcome answers that input and no other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Child {
                    function: a,
                    input: i,
                },
                Self::Child {
                    function: b,
                    input: j,
                },
            ) => a == b && i == j,
            (Self::Step { name: a }, Self::Step { name: b }) => a == b,
            (Self::Sleep { .. }, Self::Sleep { .. })
            | (Self::SleepUntil { .. }, Self::SleepUntil { .. })
            | (Self::Now, Self::Now)
            | (Self::Random, Self::Random) => true,
            (Self::Signal { name: a, .. }, Self::Signal { name: b, .. }) => a == b,
            (
                Self::Child { .. }
                | Self::Step { .. }
                | Self::Sleep { .. }
                | Self::SleepUntil { .. }
                | Self::Signal { .. }
                | Self::Now
                | Self::Random,
                _,
            ) => false,
        }
    }

    /// Whether it is a durable call: what a further attempt might do once more. `now` and random values are not; they stay as they are.
    #[must_use]
    pub const fn is_call(&self) -> bool {
        match self {
            Self::Child { .. }
            | Self::Step { .. }
            | Self::Sleep { .. }
            | Self::SleepUntil { .. }
            | Self::Signal { .. } => true,
            Self::Now | Self::Random => false,
        }
    }

    /// When the wait ends that begins now, if the operation is one that ends by time.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Sleep { span } => Some(now.saturating_add(*span)),
            Self::SleepUntil { at } => Some(*at),
            Self::Signal { timeout, .. } => timeout.map(|span| now.saturating_add(span)),
            Self::Child { .. } | Self::Step { .. } | Self::Now | Self::Random => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Child { function, input } => {
                write!(f, "call of `{function}` (input {input:016x})")
            }
            Self::Step { name } => write!(f, "step `{name}`"),
            Self::Sleep { .. } => f.write_str("sleep"),
            Self::SleepUntil { .. } => f.write_str("sleep until an instant"),
            Self::Signal { name, .. } => write!(f, "wait for signal `{name}`"),
            Self::Now => f.write_str("now"),
            Self::Random => f.write_str("random value"),
        }
    }
}

/// One recorded operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What is known of it without its outcome.
    pub head: EntryHead,
    /// How it ended, if it did. A child's outcome is the child's own.
    pub outcome: Option<Outcome>,
}

/// A recorded operation without its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// Which of the task's operations it is.
    pub position: CallPosition,
    /// What identifies it instead of its position, if anything does.
    pub key: Option<CallKey>,
    /// What was asked for.
    pub operation: Operation,
    /// The newest outcome that had been delivered when it was asked for.
    pub after: Ordinal,
    /// The child task, if it is a call.
    pub child: Option<TaskId>,
    /// When its wait ends by time, if it does.
    pub wake_at: Option<Timestamp>,
    /// Whether the body stopped waiting for it.
    pub abandoned: bool,
    /// The signal that it received, if it is a wait for one.
    pub signal: Option<SignalId>,
    /// How it ended, if it did, and its place in the order of delivery; `now` and random values have no place.
    pub resolved: Option<Resolved>,
}

/// How a recorded operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Whether it completed.
    pub completed: bool,
    /// Its place in the order of delivery.
    pub ordinal: Option<Ordinal>,
}

impl EntryHead {
    /// Whether the operation still waits for its outcome.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.resolved.is_none() && !self.abandoned
    }

    /// Whether the body no longer waits for it, and it has no outcome.
    #[must_use]
    pub const fn was_given_up(&self) -> bool {
        self.resolved.is_none() && self.abandoned
    }
}

/// Records one more outcome for a task: the next ordinal is its place, and a suspended task is woken.
///
/// # Errors
/// When the task is terminal: then nothing is recorded any more.
pub fn deliver(mut task: Task, now: Timestamp) -> Result<Transition, Refused> {
    let hint = match &mut task.state {
        State::Pending { .. } => None,
        State::Running { .. } => Some(Hint::Delivered {
            task: task.id,
            newest: task.deliveries.next(),
        }),
        State::Suspended { wake_at } => {
            let due = wake_at.map_or(now, |at| at.min(now));
            *wake_at = Some(due);
            task.queued_at = due;
            Some(Hint::due(&task))
        }
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => return Err(Refused::Terminal),
    };
    task.deliveries = task.deliveries.next();
    Ok(Transition::new(task).hinting(hint))
}

/// What of a history a further attempt keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The newest ordinal that stays.
    pub deliveries: Ordinal,
    /// Entries that go: their positions, and the children that they had made.
    pub removed: Vec<EntryHead>,
}

/// Splits a history for a further attempt: what completed stays, with all that the code handled before it went on; the failed outcomes at
/// the end, in delivery order, that no completed outcome follows, go, with everything that was asked for after them. Waits that the body gave up
/// go too, for it may have been one of these outcomes that made it: a further attempt that asks for them begins them anew.
#[must_use]
pub fn keep_for_retry(entries: &[EntryHead]) -> Kept {
    let deliveries = entries
        .iter()
        .filter_map(|entry| entry.resolved)
        .filter(|resolved| resolved.completed)
        .filter_map(|resolved| resolved.ordinal)
        .max()
        .unwrap_or(Ordinal::NONE);
    let goes = |entry: &&EntryHead| {
        entry.after > deliveries
            || entry.was_given_up()
            || entry
                .resolved
                .and_then(|resolved| resolved.ordinal)
                .is_some_and(|ordinal| ordinal > deliveries)
    };
    Kept {
        deliveries,
        removed: entries.iter().filter(goes).cloned().collect(),
    }
}

/// Splits the history of a dead letter that is replayed: as for a further attempt, and of what it still waited for when it failed, calls and signals
/// go too. Its children were cancelled with it and nobody would ever answer; a sleep goes on to the instant that was recorded.
#[must_use]
pub fn keep_for_replay(entries: &[EntryHead]) -> Kept {
    let mut kept = keep_for_retry(entries);
    let unanswered = |entry: &&EntryHead| {
        let by_others = matches!(
            entry.operation,
            Operation::Child { .. } | Operation::Signal { .. }
        );
        entry.is_waiting() && by_others && !kept.removed.contains(entry)
    };
    let unanswered: Vec<_> = entries.iter().filter(unanswered).cloned().collect();
    kept.removed.extend(unanswered);
    kept.removed.sort_by_key(|entry| entry.position);
    kept
}

/// Two sides of a history that does not match the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The code asks for something else.
    #[error(
        "function `{function}` does not match its history at call position {position}: recorded is {recorded}, the code asks for {asked}. \
         Run this task with the code that began it, give the changed function a new `version`, or, if calls are made inside the branches of \
         a `select!`, add `biased;` or give them keys"
    )]
    Different {
        /// The function.
        function: FunctionName,
        /// Where.
        position: CallPosition,
        /// What the history holds.
        recorded: Operation,
        /// What the code asks for.
        asked: Operation,
    },
    /// The code no longer asks for something.
    #[error(
        "function `{function}` does not match its history at call position {position}: recorded is {recorded}, and the code {did} without \
         asking for it. Run this task with the code that began it, or give the changed function a new `version`"
    )]
    Missing {
        /// The function.
        function: FunctionName,
        /// Where.
        position: CallPosition,
        /// What the history holds.
        recorded: Operation,
        /// What the code did instead: `ended`, or `waits`.
        did: &'static str,
    },
}
