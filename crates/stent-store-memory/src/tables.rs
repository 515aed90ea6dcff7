//! What is kept: tasks with their histories, executions, signals, functions, workers.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{
    CallPosition, ExecutionId, FunctionName, HistoryEntry, IdempotencyKey, Outcome, Payload,
    SignalId, SignalName, Tag, Task, TaskId, Timestamp, WorkerName,
    limit::{Limit, Limits, Slots},
    signal::NewSignal,
    store::WorkerRecord,
};

use crate::index::Index;

/// Everything that is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<TaskId, Row>,
    pub(crate) index: Index,
    pub(crate) executions: BTreeMap<ExecutionId, Labels>,
    pub(crate) keys: BTreeMap<(FunctionName, IdempotencyKey), ExecutionId>,
    pub(crate) signals: Signals,
    pub(crate) functions: BTreeMap<FunctionName, Limits>,
    pub(crate) workers: BTreeMap<WorkerName, WorkerRecord>,
    /// When the fleet's next cleanup is due, once there was one.
    pub(crate) next_cleanup: Option<Timestamp>,
    /// When tasks that only wait for each other were looked for last.
    pub(crate) deadlocks_looked_for_at: Option<Timestamp>,
    sequence: u64,
}

/// A task with what is kept beside it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its place in the order of making.
    pub(crate) seq: u64,
    pub(crate) task: Task,
    pub(crate) input: Payload,
    pub(crate) outcome: Option<Outcome>,
    /// Its history. A call's outcome is the child's, and read from there.
    pub(crate) entries: BTreeMap<CallPosition, HistoryEntry>,
}

/// What an execution has beside its root.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) tags: BTreeSet<Tag>,
}

impl Tables {
    pub(crate) fn row(&self, id: TaskId) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(crate) fn row_mut(&mut self, id: TaskId) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.values()
    }

    /// The root of an execution.
    pub(crate) fn root(&self, execution: ExecutionId) -> Option<&Row> {
        self.row(execution.root()).filter(|row| row.task.is_root())
    }

    /// Adds a task; nothing, if its id exists.
    pub(crate) fn insert(&mut self, task: Task, input: Payload) {
        if self.rows.contains_key(&task.id) {
            return;
        }
        let seq = self.next_in_sequence();
        self.index.add(seq, &task);
        let row = Row {
            seq,
            input,
            outcome: None,
            entries: BTreeMap::new(),
            task,
        };
        self.rows.insert(row.task.id, row);
    }

    /// Keeps a task as it is now.
    pub(crate) fn save(&mut self, task: Task) {
        if let Some(row) = self.rows.get_mut(&task.id) {
            self.index.change(row.seq, &row.task, &task);
            row.task = task;
        }
    }

    /// Deletes an execution with all that belongs to it.
    pub(crate) fn delete(&mut self, execution: ExecutionId) {
        let members = self.index.members.get(&execution).cloned();
        for id in members.into_iter().flatten() {
            if let Some(row) = self.rows.remove(&id) {
                self.index.remove(row.seq, &row.task);
                self.signals.drop_waits(id);
                if let Some(labels) = self.executions.remove(&id.as_root())
                    && let Some(key) = labels.idempotency_key
                {
                    self.keys.remove(&(row.task.function, key));
                }
            }
        }
        self.signals.delete(execution);
    }

    /// The limit that counts for a function.
    pub(crate) fn limit(&self, function: &FunctionName) -> Option<Limit> {
        self.functions.get(function)?.effective()
    }

    /// The slots of a function, if it is limited.
    pub(crate) fn slots(&self, function: &FunctionName) -> Option<Slots> {
        let limit = self.limit(function)?;
        let held = self.index.slots.get(function).map_or(0, BTreeSet::len);
        Some(Slots {
            limit,
            held: u32::try_from(held).unwrap_or(u32::MAX),
        })
    }

    /// A task's history by position, with outcomes.
    pub(crate) fn entries(&self, row: &Row) -> Vec<HistoryEntry> {
        let with_outcome = |entry: &HistoryEntry| self.with_outcome(entry);
        row.entries.values().map(with_outcome).collect()
    }

    /// An entry with its outcome, which stands with the child if it is a call.
    pub(crate) fn with_outcome(&self, entry: &HistoryEntry) -> HistoryEntry {
        let mut entry = entry.clone();
        if entry.head.resolved.is_some()
            && let Some(child) = entry.head.child.and_then(|child| self.row(child))
        {
            entry.outcome.clone_from(&child.outcome);
        }
        entry
    }

    pub(crate) fn next_in_sequence(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }
}

/// Signals that were accepted, and operations that wait for some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    kept: BTreeMap<SignalId, (u64, NewSignal)>,
    of_execution: BTreeSet<(ExecutionId, SignalId)>,
    /// Those that nobody has received, in the order in which they were kept.
    unreceived: BTreeMap<(ExecutionId, SignalName), BTreeMap<u64, SignalId>>,
    /// Operations that wait, the oldest first.
    waits: BTreeMap<(ExecutionId, SignalName), BTreeMap<u64, (TaskId, CallPosition)>>,
    /// The same by operation.
    waiting: BTreeMap<(TaskId, CallPosition), (u64, ExecutionId, SignalName)>,
}

impl Signals {
    pub(crate) fn is_known(&self, id: SignalId) -> bool {
        self.kept.contains_key(&id)
    }

    /// Keeps a signal that nobody has received.
    pub(crate) fn keep(&mut self, seq: u64, signal: NewSignal) {
        let mailbox = (signal.execution, signal.name.clone());
        let unreceived = self.unreceived.entry(mailbox).or_default();
        unreceived.insert(seq, signal.id);
        self.of_execution.insert((signal.execution, signal.id));
        self.kept.insert(signal.id, (seq, signal));
    }

    /// Marks a signal as received; what it says.
    pub(crate) fn receive(&mut self, id: SignalId) -> Option<Payload> {
        let (seq, signal) = self.kept.get(&id)?;
        let mailbox = (signal.execution, signal.name.clone());
        remove(&mut self.unreceived, &mailbox, *seq);
        Some(signal.payload.clone())
    }

    /// Puts a signal back among those not received, at its old place; where that is.
    pub(crate) fn give_back(&mut self, id: SignalId) -> Option<(ExecutionId, SignalName)> {
        let (seq, signal) = self.kept.get(&id)?;
        let mailbox = (signal.execution, signal.name.clone());
        let unreceived = self.unreceived.entry(mailbox.clone()).or_default();
        unreceived.insert(*seq, id);
        Some(mailbox)
    }

    /// The oldest signal that nobody has received, some left out.
    pub(crate) fn unreceived(
        &self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Option<SignalId> {
        let mailbox = self.unreceived.get(&(execution, name.clone()))?;
        let skip = usize::try_from(skip).ok()?;
        mailbox.values().nth(skip).copied()
    }

    /// The operation that has waited longest for a signal.
    pub(crate) fn oldest_wait(
        &self,
        execution: ExecutionId,
        name: &SignalName,
    ) -> Option<(TaskId, CallPosition)> {
        let waits = self.waits.get(&(execution, name.clone()))?;
        waits.values().next().copied()
    }

    pub(crate) fn begin_wait(
        &mut self,
        seq: u64,
        execution: ExecutionId,
        name: SignalName,
        wait: (TaskId, CallPosition),
    ) {
        let waits = self.waits.entry((execution, name.clone())).or_default();
        waits.insert(seq, wait);
        self.waiting.insert(wait, (seq, execution, name));
    }

    pub(crate) fn end_wait(&mut self, wait: (TaskId, CallPosition)) {
        if let Some((seq, execution, name)) = self.waiting.remove(&wait) {
            remove(&mut self.waits, &(execution, name), seq);
        }
    }

    /// Forgets everything that a task waits for.
    pub(crate) fn drop_waits(&mut self, task: TaskId) {
        let all = (task, CallPosition(0))..=(task, CallPosition(u32::MAX));
        let waits: Vec<_> = self.waiting.range(all).map(|(wait, _)| *wait).collect();
        for wait in waits {
            self.end_wait(wait);
        }
    }

    fn delete(&mut self, execution: ExecutionId) {
        let from = (execution, SignalId::from_uuid(Default::default()));
        let of_it = self.of_execution.range(from..);
        let ids: Vec<_> = of_it
            .take_while(|(other, _)| *other == execution)
            .copied()
            .collect();
        for (execution, id) in ids {
            self.of_execution.remove(&(execution, id));
            if let Some((seq, signal)) = self.kept.remove(&id) {
                remove(&mut self.unreceived, &(execution, signal.name), seq);
            }
        }
    }
}

fn remove<K: Ord, V>(map: &mut BTreeMap<K, BTreeMap<u64, V>>, key: &K, seq: u64) {
    if let Some(inner) = map.get_mut(key) {
        inner.remove(&seq);
        if inner.is_empty() {
            map.remove(key);
        }
    }
}
