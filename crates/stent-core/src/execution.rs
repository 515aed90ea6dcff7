//! Making tasks: roots, which are executions, and children.

use std::time::Duration;

use crate::{
    CallPosition, Crashes, ExecutionId, Fence, FunctionName, IdempotencyKey, Ordinal, ParentLink,
    Payload, Priority, QueueName, State, Tag, Task, TaskId, Timestamp,
};

/// A moment as a caller states it. The store's clock turns it into an instant, so that a caller's clock never counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// So long after now, by the store's clock.
    After(Duration),
    /// At an instant.
    At(Timestamp),
}

impl When {
    /// The instant, by the store's clock.
    #[must_use]
    pub fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::After(span) => now.saturating_add(span),
            Self::At(at) => at,
        }
    }
}

/// A task to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its id, chosen by whoever asks for it: asking twice makes one task.
    pub id: TaskId,
    /// The durable function.
    pub function: FunctionName,
    /// The queue.
    pub queue: QueueName,
    /// The priority.
    pub priority: Priority,
    /// When it is due.
    pub due: When,
    /// The arguments.
    pub input: Payload,
    /// How long one attempt may take, if that differs from the function's own timeout.
    pub timeout: Option<Duration>,
    /// When it must have ended with all its attempts.
    pub deadline: Option<When>,
}

/// An execution to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExecution {
    /// Its root task.
    pub root: NewTask,
    /// A key under which the function is executed at most once, for as long as that execution exists.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Labels to find it by; at most [`crate::defaults::TAGS_MAX`].
    pub tags: Vec<Tag>,
}

impl NewTask {
    /// The root task of a new execution.
    #[must_use]
    pub fn into_root(self, now: Timestamp) -> (Task, Payload) {
        let execution = self.id.as_root();
        self.into_task(execution, None, now)
    }

    /// The task that a call at a position of another one makes.
    #[must_use]
    pub fn into_child(
        self,
        parent: &Task,
        position: CallPosition,
        now: Timestamp,
    ) -> (Task, Payload) {
        let link = ParentLink {
            task: parent.id,
            position,
        };
        self.into_task(parent.execution, Some(link), now)
    }

    fn into_task(
        self,
        execution: ExecutionId,
        parent: Option<ParentLink>,
        now: Timestamp,
    ) -> (Task, Payload) {
        let run_at = self.due.instant(now).max(now);
        let task = Task {
            id: self.id,
            execution,
            parent,
            function: self.function,
            queue: self.queue,
            priority: self.priority,
            state: State::Pending { run_at },
            fence: Fence::default(),
            commits: 0,
            failed_attempts: 0,
            crashes: Crashes::default(),
            holds_slot: false,
            cancel_requested: false,
            operations: 0,
            deliveries: Ordinal::NONE,
            timeout: self.timeout,
            attempt_ends: None,
            deadline: self.deadline.map(|deadline| deadline.instant(now)),
            queued_at: run_at,
            created_at: now,
        };
        (task, self.input)
    }
}
