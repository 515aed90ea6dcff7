//! Lossy words between processes: "look now". Nothing ever depends on one.

use crate::{ExecutionId, FunctionName, Ordinal, QueueName, Task, TaskId, Timestamp};

/// Something that may be worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A queue has, or will have, work.
    Due {
        /// The queue.
        queue: QueueName,
        /// From when on.
        at: Timestamp,
    },
    /// A leased task was given an outcome.
    Delivered {
        /// The task.
        task: TaskId,
        /// The newest ordinal of its history.
        newest: Ordinal,
    },
    /// A leased task is to be cancelled.
    CancelRequested {
        /// The task.
        task: TaskId,
    },
    /// A limited function has a free slot.
    SlotFreed {
        /// The function.
        function: FunctionName,
    },
    /// An execution ended.
    Ended {
        /// The execution.
        execution: ExecutionId,
    },
    /// Something happened that this process knows nothing of: another one wrote, or hints were lost.
    Anything,
}

impl Hint {
    /// The hint that a task that waits gives.
    #[must_use]
    pub fn due(task: &Task) -> Self {
        Self::Due {
            queue: task.queue.clone(),
            at: task.queued_at,
        }
    }

    /// The hint that a task gives when it gives its slot up.
    #[must_use]
    pub fn slot_freed(task: &Task) -> Option<Self> {
        task.holds_slot.then(|| Self::SlotFreed {
            function: task.function.clone(),
        })
    }
}
