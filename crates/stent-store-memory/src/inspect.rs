//! The read side.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{
    FunctionName, StateKind, TaskId, Timestamp,
    defaults::{PAGE_SIZE_MAX, WORKER_LISTED},
    store::{
        Counts, ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord, HistoryRequest,
        TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord,
    },
};

use crate::tables::{Row, Tables};

impl Tables {
    /// A task's history, or what of it was delivered after an ordinal.
    pub(crate) fn history(&self, request: HistoryRequest) -> TaskHistory {
        let row = self.row(request.task);
        let mut entries = row.map(|row| self.entries(row)).unwrap_or_default();
        if !request.whole {
            let ordinal = |entry: &stent_core::HistoryEntry| {
                entry.head.resolved.and_then(|resolved| resolved.ordinal)
            };
            entries.retain(|entry| ordinal(entry).is_some_and(|ordinal| ordinal > request.after));
            entries.sort_by_key(ordinal);
        }
        TaskHistory {
            task: request.task,
            entries,
        }
    }

    /// Executions by a query, newest first.
    pub(crate) fn executions(&self, query: &ExecutionQuery) -> ExecutionPage {
        let ids = query.ids.as_ref();
        let ids = ids.map(|ids| ids.iter().map(|id| id.root()).collect());
        let rows = self.candidates(ids).rev();
        let roots = rows.filter(|row| row.task.is_root());
        let wanted = roots.filter(|row| self.is_wanted(row, query));
        let records = wanted.filter_map(|row| {
            let labels = self.executions.get(&row.task.execution)?;
            Some(ExecutionRecord {
                root: record(row, query.payloads),
                idempotency_key: labels.idempotency_key.clone(),
                tags: labels.tags.iter().cloned().collect(),
            })
        });
        let (executions, more) = page(records, query.limit);
        ExecutionPage { executions, more }
    }

    fn is_wanted(&self, root: &Row, query: &ExecutionQuery) -> bool {
        let task = &root.task;
        let Some(labels) = self.executions.get(&task.execution) else {
            return false;
        };
        let key = &query.idempotency_key;
        is_in(&query.states, task.state.kind())
            && holds(&query.function, |function| *function == task.function)
            && holds(&query.queue, |queue| *queue == task.queue)
            && holds(&query.tag, |tag| labels.tags.contains(tag))
            && holds(key, |_| labels.idempotency_key == *key)
            && holds(&query.before, |before| task.execution < *before)
    }

    /// Tasks by a query, in the order of their making.
    pub(crate) fn tasks(&self, query: &TaskQuery) -> TaskPage {
        let members = query.execution.map(|execution| {
            let members = self.index.members.get(&execution);
            members.cloned().unwrap_or_default()
        });
        let ids = query.ids.as_ref();
        let ids = ids.map(|ids| ids.iter().copied().collect());
        let wanted = self.candidates(ids.or(members)).filter(|row| {
            let task = &row.task;
            holds(&query.execution, |execution| *execution == task.execution)
                && is_in(&query.states, task.state.kind())
                && holds(&query.function, |function| *function == task.function)
                && holds(&query.after, |after| task.id > *after)
        });
        let (tasks, more) = page(wanted.map(|row| record(row, query.payloads)), query.limit);
        TaskPage { tasks, more }
    }

    /// The rows of some tasks, or all of them, by id.
    fn candidates(
        &self,
        ids: Option<BTreeSet<TaskId>>,
    ) -> Box<dyn DoubleEndedIterator<Item = &Row> + '_> {
        match ids {
            Some(ids) => Box::new(ids.into_iter().filter_map(|id| self.row(id))),
            None => Box::new(self.rows()),
        }
    }

    /// Functions that were declared, are limited, or have tasks that have not ended, by name.
    pub(crate) fn functions(&self) -> Vec<FunctionRecord> {
        let mut counts: BTreeMap<&FunctionName, Counts> = BTreeMap::new();
        for function in self.functions.keys() {
            counts.entry(function).or_default();
        }
        for row in self.rows() {
            let state = row.task.state.kind();
            if !state.is_terminal() {
                count(counts.entry(&row.task.function).or_default(), state);
            }
        }
        let records = counts.into_iter().map(|(name, counts)| {
            let limits = self.functions.get(name).copied().unwrap_or_default();
            FunctionRecord {
                name: name.clone(),
                declared: limits.declared,
                by_operator: limits.by_operator,
                slots_held: self.slots(name).map_or(0, |slots| slots.held),
                counts,
            }
        });
        records.collect()
    }

    /// Workers that were heard of lately, the newest first.
    pub(crate) fn workers(&self, now: Timestamp) -> Vec<WorkerRecord> {
        let since = now.saturating_sub(WORKER_LISTED);
        let workers = self.workers.values().filter(|one| one.seen_at >= since);
        let mut workers: Vec<_> = workers.cloned().collect();
        // Sorting keeps those of one instant by name.
        workers.sort_by_key(|worker| std::cmp::Reverse(worker.seen_at));
        workers
    }
}

fn record(row: &Row, payloads: bool) -> TaskRecord {
    TaskRecord {
        task: row.task.clone(),
        input: payloads.then(|| row.input.clone()),
        outcome: row.outcome.clone().filter(|_| payloads),
    }
}

fn count(counts: &mut Counts, state: StateKind) {
    let counter = match state {
        StateKind::Pending => &mut counts.pending,
        StateKind::Running => &mut counts.running,
        StateKind::Suspended => &mut counts.suspended,
        StateKind::Completed | StateKind::Failed | StateKind::TimedOut | StateKind::Cancelled => {
            return;
        }
    };
    *counter = counter.saturating_add(1);
}

/// Whether a condition holds, or is not set.
fn holds<T>(condition: &Option<T>, is_met: impl FnOnce(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(is_met)
}

fn is_in(states: &[StateKind], state: StateKind) -> bool {
    states.is_empty() || states.contains(&state)
}

/// The first of a list, and whether there are more.
fn page<T>(mut records: impl Iterator<Item = T>, limit: u32) -> (Vec<T>, bool) {
    let limit = usize::try_from(limit.min(PAGE_SIZE_MAX)).unwrap_or(usize::MAX);
    let page: Vec<T> = records.by_ref().take(limit).collect();
    let more = records.next().is_some();
    (page, more)
}
