use crate::{
    ExecutionId, FunctionName, HistoryEntry, IdempotencyKey, Ordinal, Outcome, Payload, QueueName,
    StateKind, Tag, Task, TaskId, Timestamp, defaults, limit::Limits, store::WorkerReport,
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

impl ExecutionQuery {
    /// Whether an execution is asked for, by its root and what is kept beside it; [`ids`](Self::ids) aside, which a store looks up first.
    #[must_use]
    pub fn wants(
        &self,
        root: &Task,
        key: Option<&IdempotencyKey>,
        has_tag: impl FnOnce(&Tag) -> bool,
    ) -> bool {
        let execution = &root.execution;
        root.is_root()
            && is_in(&self.states, root.state.kind())
            && holds(&self.function, |function| *function == root.function)
            && holds(&self.queue, |queue| *queue == root.queue)
            && holds(&self.tag, has_tag)
            && holds(&self.idempotency_key, |asked| key == Some(asked))
            && holds(&self.before, |before| execution < before)
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

impl TaskQuery {
    /// Whether a task is asked for; [`ids`](Self::ids) aside, which a store looks up first.
    #[must_use]
    pub fn wants(&self, task: &Task) -> bool {
        holds(&self.execution, |execution| *execution == task.execution)
            && is_in(&self.states, task.state.kind())
            && holds(&self.function, |function| *function == task.function)
            && holds(&self.after, |after| task.id > *after)
    }
}

/// Whether a condition is met, or not set.
fn holds<T>(condition: &Option<T>, is_met: impl FnOnce(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(is_met)
}

fn is_in(states: &[StateKind], state: StateKind) -> bool {
    states.is_empty() || states.contains(&state)
}

/// The first of what a query wants, and whether there is more. No page is larger than [`defaults::PAGE_SIZE_MAX`].
pub fn page<T>(records: impl IntoIterator<Item = T>, limit: u32) -> (Vec<T>, bool) {
    let mut records = records.into_iter();
    let limit = usize::try_from(limit.min(defaults::PAGE_SIZE_MAX)).unwrap_or(usize::MAX);
    let page = records.by_ref().take(limit).collect();
    (page, records.next().is_some())
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
    /// Its limits.
    pub limits: Limits,
    /// Tasks that hold a slot, if it is limited.
    pub slots_held: u32,
    /// Its tasks that have not ended.
    pub counts: Counts,
}

impl FunctionRecord {
    /// A function of which nothing has been counted.
    #[must_use]
    pub fn new(name: FunctionName, limits: Limits) -> Self {
        Self {
            name,
            limits,
            slots_held: 0,
            counts: Counts::default(),
        }
    }
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

impl Counts {
    /// Counts a task. One that has ended is not counted.
    pub const fn add(&mut self, state: StateKind) {
        let count = match state {
            StateKind::Pending => &mut self.pending,
            StateKind::Running => &mut self.running,
            StateKind::Suspended => &mut self.suspended,
            StateKind::Completed
            | StateKind::Failed
            | StateKind::TimedOut
            | StateKind::Cancelled => return,
        };
        *count = count.saturating_add(1);
    }

    /// Counts what was counted elsewhere.
    pub const fn add_all(&mut self, other: &Self) {
        self.pending = self.pending.saturating_add(other.pending);
        self.running = self.running.saturating_add(other.running);
        self.suspended = self.suspended.saturating_add(other.suspended);
    }
}

/// A queue as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRecord {
    /// Its name.
    pub name: QueueName,
    /// Its tasks that have not ended.
    pub counts: Counts,
    /// Since when the one that is due longest could have been claimed, if one is due: how far the workers are behind.
    pub oldest_due: Option<Timestamp>,
}

impl QueueRecord {
    /// A queue of which nothing has been counted.
    #[must_use]
    pub fn new(name: QueueName) -> Self {
        Self {
            name,
            counts: Counts::default(),
            oldest_due: None,
        }
    }

    /// Counts that something is due from an instant on, which may be later than now.
    pub fn add_due(&mut self, due_at: Option<Timestamp>, now: Timestamp) {
        let due = due_at.filter(|at| *at <= now);
        self.oldest_due = self.oldest_due.into_iter().chain(due).min();
    }
}

/// That a store takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The store's time.
    pub now: Timestamp,
}

impl Health {
    /// A store that takes requests at this time of its clock.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now }
    }
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

impl WorkerRecord {
    /// Whether it is still listed, [`defaults::WORKER_LISTED`] after its last report at the latest.
    #[must_use]
    pub fn is_listed(&self, now: Timestamp) -> bool {
        self.seen_at >= now.saturating_sub(defaults::WORKER_LISTED)
    }
}
