//! What is kept.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{
    CallPosition, EntryHead, ExecutionId, FunctionName, HistoryEntry, IdempotencyKey, Outcome,
    Payload, Tag, Task, TaskId, Timestamp, WorkerName,
    limit::{Limit, Limits, Slots},
    signal::NewSignal,
    store::WorkerRecord,
};

/// Everything that is kept, with the time of the request that is at work.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) now: Timestamp,
    pub(crate) rows: BTreeMap<TaskId, Row>,
    /// In the order in which they were kept, with whether they were received.
    pub(crate) signals: Vec<(NewSignal, bool)>,
    /// Operations that wait, or waited, for a signal; the oldest first.
    pub(crate) waits: Vec<(TaskId, CallPosition)>,
    pub(crate) functions: BTreeMap<FunctionName, Limits>,
    pub(crate) workers: BTreeMap<WorkerName, WorkerRecord>,
    pub(crate) next_cleanup: Option<Timestamp>,
    pub(crate) deadlocks_looked_for_at: Option<Timestamp>,
    made: u64,
}

/// A task with what is kept beside it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its place in the order of making.
    pub(crate) seq: u64,
    pub(crate) task: Task,
    pub(crate) input: Payload,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) entries: BTreeMap<CallPosition, HistoryEntry>,
    /// Of a root.
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) tags: BTreeSet<Tag>,
}

impl Tables {
    pub(crate) fn insert(&mut self, task: Task, input: Payload) -> Option<&mut Row> {
        if self.rows.contains_key(&task.id) {
            return None;
        }
        self.made += 1;
        let row = Row {
            seq: self.made,
            input,
            outcome: None,
            entries: BTreeMap::new(),
            idempotency_key: None,
            tags: BTreeSet::new(),
            task,
        };
        Some(self.rows.entry(row.task.id).or_insert(row))
    }

    pub(crate) fn task(&self, id: TaskId) -> Option<Task> {
        self.rows.get(&id).map(|row| row.task.clone())
    }

    pub(crate) fn root(&self, execution: ExecutionId) -> Option<&Row> {
        let row = self.rows.get(&execution.root());
        row.filter(|row| row.task.is_root())
    }

    pub(crate) fn entry(&mut self, id: TaskId, at: CallPosition) -> Option<&mut HistoryEntry> {
        self.rows.get_mut(&id)?.entries.get_mut(&at)
    }

    pub(crate) fn heads(&self, id: TaskId) -> Vec<EntryHead> {
        let entries = self.rows.get(&id).into_iter();
        let entries = entries.flat_map(|row| row.entries.values());
        entries.map(|entry| entry.head.clone()).collect()
    }

    /// A task's history with outcomes. How a child ended stands in the child's own row.
    pub(crate) fn history(&self, id: TaskId) -> Vec<HistoryEntry> {
        let entries = self.rows.get(&id).into_iter();
        let entries = entries.flat_map(|row| row.entries.values().cloned());
        let with_outcome = |mut entry: HistoryEntry| {
            if let (Some(_), Some(child)) = (entry.head.resolved, entry.head.child) {
                entry.outcome = self.rows.get(&child).and_then(|row| row.outcome.clone());
            }
            entry
        };
        entries.map(with_outcome).collect()
    }

    /// Tasks that have an instant that has passed, the one that passed first first.
    pub(crate) fn passed(&self, instant: impl Fn(&Task) -> Option<Timestamp>) -> Vec<TaskId> {
        let instants = self.rows.values().filter_map(|row| {
            let at = instant(&row.task).filter(|at| *at <= self.now)?;
            Some((at, row.seq, row.task.id))
        });
        let ordered: BTreeSet<_> = instants.collect();
        ordered.into_iter().map(|(.., id)| id).collect()
    }

    /// The first instant after now.
    pub(crate) fn next(&self, instant: impl Fn(&Task) -> Option<Timestamp>) -> Option<Timestamp> {
        let instants = self.rows.values().filter_map(|row| instant(&row.task));
        instants.filter(|at| *at > self.now).min()
    }

    pub(crate) fn limit(&self, function: &FunctionName) -> Option<Limit> {
        self.functions.get(function)?.effective()
    }

    /// Slots are derived from the tasks, never counted up and down.
    pub(crate) fn slots(&self, function: &FunctionName) -> Option<Slots> {
        let limit = self.limit(function)?;
        let held = u32::try_from(self.holders(function).count()).unwrap_or(u32::MAX);
        Some(Slots { limit, held })
    }

    pub(crate) fn holders(&self, function: &FunctionName) -> impl Iterator<Item = TaskId> {
        let tasks = self.rows.values().map(|row| &row.task);
        let holders = tasks.filter(|task| task.holds_slot && task.function == *function);
        holders.map(|task| task.id)
    }
}
