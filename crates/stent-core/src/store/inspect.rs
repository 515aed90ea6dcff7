use std::num::NonZeroU32;

use crate::{
    ExecutionId, FunctionName, HistoryEntry, IdempotencyKey, Ordinal, Outcome, Payload, QueueName,
    StateKind, Tag, Task, TaskId, Timestamp, defaults, limit::Limit, store::WorkerReport,
};

/// Which part of a task's history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The task.
    pub task: TaskId,
    /// Only what was delivered after this ordinal.
    pub after: Ordinal,
    /// Every entry, by position, whatever `after` says.
    pub whole: bool,
}

/// A task's history, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskHistory {
    /// The task.
    pub task: TaskId,
    /// Its entries, in the order that was asked for; none if there is no such task.
    pub entries: Vec<HistoryEntry>,
}

/// Which executions to list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionQuery {
    /// Only these.
    pub ids: Option<Vec<ExecutionId>>,
    /// Only in these states; empty for all.
    pub states: Vec<StateKind>,
    /// Only of this function.
    pub function: Option<FunctionName>,
    /// Only of this queue.
    pub queue: Option<QueueName>,
    /// Only with this tag.
    pub tag: Option<Tag>,
    /// Only with this idempotency key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Only those made before this one: the last of the page before.
    pub before: Option<ExecutionId>,
    /// Executions at most, up to [`defaults::PAGE_SIZE_MAX`].
    pub limit: u32,
    /// Whether inputs and outcomes are read too.
    pub payloads: bool,
}

impl Default for ExecutionQuery {
    fn default() -> Self {
        Self {
            ids: None,
            states: Vec::new(),
            function: None,
            queue: None,
            tag: None,
            idempotency_key: None,
            before: None,
            limit: defaults::PAGE_SIZE,
            payloads: false,
        }
    }
}

/// A page of executions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecutionPage {
    /// The executions.
    pub executions: Vec<ExecutionRecord>,
    /// Whether there are more.
    pub more: bool,
}

/// An execution as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRecord {
    /// Its root task.
    pub root: TaskRecord,
    /// Its idempotency key.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
}

/// Which tasks to list, in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only these.
    pub ids: Option<Vec<TaskId>>,
    /// Only of this execution.
    pub execution: Option<ExecutionId>,
    /// Only in these states; empty for all.
    pub states: Vec<StateKind>,
    /// Only of this function.
    pub function: Option<FunctionName>,
    /// Only those after this one: the last of the page before.
    pub after: Option<TaskId>,
    /// Tasks at most, up to [`defaults::PAGE_SIZE_MAX`].
    pub limit: u32,
    /// Whether inputs and outcomes are read too.
    pub payloads: bool,
}

impl Default for TaskQuery {
    fn default() -> Self {
        Self {
            ids: None,
            execution: None,
            states: Vec::new(),
            function: None,
            after: None,
            limit: defaults::PAGE_SIZE,
            payloads: false,
        }
    }
}

/// A page of tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
    /// Whether there are more.
    pub more: bool,
}

/// A task as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// The task.
    pub task: Task,
    /// Its arguments, if payloads were asked for.
    pub input: Option<Payload>,
    /// How it ended, if it did and payloads were asked for.
    pub outcome: Option<Outcome>,
}

/// A function as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRecord {
    /// Its name.
    pub name: FunctionName,
    /// What its code declares.
    pub declared: Option<Limit>,
    /// What an operator set, which counts before.
    pub by_operator: Option<NonZeroU32>,
    /// Tasks that hold a slot, if it is limited.
    pub slots_held: u32,
    /// Its tasks that have not ended.
    pub counts: Counts,
}

/// Tasks by state, of those that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That wait to be claimed, now or later.
    pub pending: u64,
    /// That are leased.
    pub running: u64,
    /// That wait for a child, a time or a signal.
    pub suspended: u64,
}

/// A worker as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// What it said of itself last.
    pub report: WorkerReport,
    /// When it was announced first.
    pub since: Timestamp,
    /// When it was heard of last.
    pub seen_at: Timestamp,
}
