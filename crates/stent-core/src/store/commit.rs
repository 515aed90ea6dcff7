use crate::{
    CallPosition, Ordinal, TaskId, Timestamp,
    commit::{Applied, CommitRefused, TaskCommit},
};

/// Fenced writes, at most [`crate::defaults::BATCH_MAX`].
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// Applied in this order; two writes of one task both count.
    pub commits: Vec<TaskCommit>,
}

/// What became of each write, in the order of the request.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitAnswer {
    /// The store's time.
    pub now: Timestamp,
    /// One for each.
    pub results: Vec<CommitResult>,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitResult {
    /// The task that it was for.
    pub task: TaskId,
    /// Its number.
    pub number: u32,
    /// Whether it was applied.
    pub result: Result<Applied, CommitRefused>,
    /// Where its outcome was recorded in its parent's history, when it ended the task and the parent took it.
    pub delivered: Option<DeliveredOutcome>,
}

/// Where an outcome was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveredOutcome {
    /// The parent.
    pub parent: TaskId,
    /// Its call.
    pub position: CallPosition,
    /// The place in its order of delivery.
    pub ordinal: Ordinal,
}
