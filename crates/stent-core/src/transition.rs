//! The alphabet that all rules share: what a rule answers, and what must happen beside the change of the task itself.

use crate::{CallPosition, Hint, Outcome, Task, TaskId, Timestamp};

/// What follows from an event: the task as it is now, and what else belongs to the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a rule only computes; the store must save what it answers"]
pub struct Transition {
    /// The task as it is now.
    pub task: Task,
    /// What else belongs to the same transaction, in order.
    pub effects: Vec<Effect>,
}

impl Transition {
    /// A change without effects.
    pub const fn new(task: Task) -> Self {
        Self {
            task,
            effects: Vec::new(),
        }
    }

    /// The same with a further effect.
    pub fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// The same with a hint, if there is one to give.
    pub fn hinting(self, hint: Option<Hint>) -> Self {
        match hint {
            Some(hint) => self.with(Effect::Hint(hint)),
            None => self,
        }
    }
}

/// What belongs to the same transaction as a change of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The task ended so: keep its outcome with it.
    KeepOutcome(Outcome),
    /// Its outcome is due at this call of its parent: give it the parent's next ordinal by [`crate::history::deliver`],
    /// unless that entry is resolved or belongs to another child by now.
    RecordInParent {
        /// The parent.
        parent: TaskId,
        /// The call.
        position: CallPosition,
    },
    /// Apply [`crate::cancel::request`] to every child of it that is not terminal, in the order of their making, each with all that follows
    /// from it before the next.
    CancelDescendants,
    /// Forget the signals that it waited for; those that it has not received stay for others.
    DropSignalWaits,
    /// Tell whoever listens, once the transaction is committed. Hints may be lost.
    Hint(Hint),
}

/// Why an event changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is not due yet.
    #[error("the task is not due before {}", .run_at.as_micros())]
    NotDue {
        /// When it is.
        run_at: Timestamp,
    },
    /// Someone holds a lease on it.
    #[error("the task is leased until {}", .until.as_micros())]
    Leased {
        /// Until when.
        until: Timestamp,
    },
    /// It waits for something that has not happened.
    #[error("the task waits for something that has not happened")]
    Waiting,
    /// It ended.
    #[error("the task has ended")]
    Terminal,
    /// Its deadline passed; [`crate::cancel::deadline_passed`] ends it.
    #[error("the deadline of the task has passed")]
    Overdue,
    /// The fence is not that of the newest claim, or the lease is no longer held.
    #[error("the lease was lost")]
    LeaseLost,
    /// It is not a dead letter.
    #[error("the task is not a dead letter: it has not failed")]
    NotDeadLetter,
    /// It is a child; a dead letter is replayed as a whole.
    #[error("the task belongs to an execution; replay that as a whole")]
    NotRoot,
}
