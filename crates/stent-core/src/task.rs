//! The model: what a task is, and its states with their data.
//!
//! A durable function is run as a task. A task may call further ones: its child tasks. A root task with all below it is an execution.
//! What is kept here is what the rules decide by; inputs and outcomes are kept beside it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    CallPosition, ExecutionId, Fence, FunctionName, Ordinal, Priority, QueueName, TaskId,
    Timestamp, WorkerName, defaults,
};

/// One run of one durable function on one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The execution that it belongs to.
    pub execution: ExecutionId,
    /// The task that called it, unless it is a root.
    pub parent: Option<ParentLink>,
    /// The durable function.
    pub function: FunctionName,
    /// The queue in which it waits.
    pub queue: QueueName,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// What its newest claim handed out; token 0 before the first claim.
    pub fence: Fence,
    /// How many commits were applied under that fence.
    pub commits: u32,
    /// Attempts that failed or timed out and were followed by another.
    pub failed_attempts: u32,
    /// How often its worker was lost while it was leased.
    pub crashes: Crashes,
    /// Whether it counts towards its function's limit.
    pub holds_slot: bool,
    /// Whether its holder was asked to stop. Only while it is running.
    pub cancel_requested: bool,
    /// Entries of its history, resolved or not.
    pub operations: u32,
    /// Outcomes of its history that were recorded so far: the newest ordinal.
    pub deliveries: Ordinal,
    /// How long one attempt may take; the function's own timeout counts where there is none.
    pub timeout: Option<Duration>,
    /// When the present attempt must have ended, known to the store since the attempt first waited without a lease.
    pub attempt_ends: Option<Timestamp>,
    /// When the task, with all its attempts, must have ended.
    pub deadline: Option<Timestamp>,
    /// Since when it has been due, or from when it will be: its age among its equals.
    pub queued_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The call that made a child task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParentLink {
    /// The calling task.
    pub task: TaskId,
    /// Which of its operations the call is.
    pub position: CallPosition,
}

/// Leases that ran out because their holder was gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Crashes {
    /// All of them.
    pub total: u32,
    /// Those that count towards the crash limit: it was a suspect, and its own body had been started.
    pub as_suspect: u32,
}

impl Crashes {
    /// Whether the task is claimed alone from now on, because it may be what kills its workers.
    #[must_use]
    pub const fn is_suspect(self) -> bool {
        self.total >= defaults::SUSPECT_AFTER_CRASHES
    }
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits to be claimed, from `run_at` on.
    Pending {
        /// When it is due.
        run_at: Timestamp,
    },
    /// A worker holds a lease on it.
    Running {
        /// The worker, for people.
        holder: WorkerName,
        /// When the lease runs out.
        expires_at: Timestamp,
    },
    /// It waits for a child, a time or a signal, without a lease.
    Suspended {
        /// When it is due again, if that is known.
        wake_at: Option<Timestamp>,
    },
    /// It returned a value.
    Completed {
        /// When.
        at: Timestamp,
    },
    /// It failed and no retry was left.
    Failed {
        /// When.
        at: Timestamp,
    },
    /// Its time was up and no retry was left.
    TimedOut {
        /// When.
        at: Timestamp,
    },
    /// It was cancelled.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// Which state it is.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Pending { .. } => StateKind::Pending,
            Self::Running { .. } => StateKind::Running,
            Self::Suspended { .. } => StateKind::Suspended,
            Self::Completed { .. } => StateKind::Completed,
            Self::Failed { .. } => StateKind::Failed,
            Self::TimedOut { .. } => StateKind::TimedOut,
            Self::Cancelled { .. } => StateKind::Cancelled,
        }
    }

    /// When it ended, if it is terminal.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Completed { at }
            | Self::Failed { at }
            | Self::TimedOut { at }
            | Self::Cancelled { at } => Some(*at),
            Self::Pending { .. } | Self::Running { .. } | Self::Suspended { .. } => None,
        }
    }

    /// From when on it may be claimed, if ever.
    #[must_use]
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { run_at } => Some(*run_at),
            Self::Suspended { wake_at } => *wake_at,
            Self::Running { .. }
            | Self::Completed { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Cancelled { .. } => None,
        }
    }

    /// When its lease runs out, if it has one.
    #[must_use]
    pub const fn lease_expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Running { expires_at, .. } => Some(*expires_at),
            Self::Pending { .. }
            | Self::Suspended { .. }
            | Self::Completed { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Cancelled { .. } => None,
        }
    }
}

/// A [`State`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    /// It waits to be claimed.
    Pending,
    /// A worker holds a lease on it.
    Running,
    /// It waits for a child, a time or a signal.
    Suspended,
    /// It returned a value.
    Completed,
    /// It failed.
    Failed,
    /// Its time was up.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

impl StateKind {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Suspended,
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
    ];

    /// Whether nothing follows it, but for a replay that someone asked for.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::TimedOut | Self::Cancelled => true,
            Self::Pending | Self::Running | Self::Suspended => false,
        }
    }

    /// Its name: `pending`, `timed_out`, ….
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The unit of claiming and of limits: tasks that are alike in all that claiming looks at but their age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// The queue.
    pub queue: QueueName,
    /// The function.
    pub function: FunctionName,
    /// The priority.
    pub priority: Priority,
    /// What else decides whether its tasks may be claimed.
    pub class: LaneClass,
}

/// What decides whether the tasks of a lane may be claimed, beside their lane's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneClass {
    /// They hold a slot already: a full limit does not hold them back.
    pub holds_slot: bool,
    /// They are claimed alone.
    pub suspect: bool,
}

impl Task {
    /// The lane in which it waits, or would.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane {
            queue: self.queue.clone(),
            function: self.function.clone(),
            priority: self.priority,
            class: self.class(),
        }
    }

    /// The class of its lane.
    #[must_use]
    pub const fn class(&self) -> LaneClass {
        LaneClass {
            holds_slot: self.holds_slot,
            suspect: self.crashes.is_suspect(),
        }
    }

    /// Whether it is the root of its execution.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The number of the attempt that is running or comes next, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.failed_attempts.saturating_add(1)
    }

    /// Whether its deadline has passed.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}
