//! The read side.

use std::{cmp::Reverse, collections::BTreeMap};

use stent_core::{
    FunctionName, StateKind,
    defaults::{PAGE_SIZE_MAX, WORKER_LISTED},
    store::{
        Counts, ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord, HistoryRequest,
        TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord,
    },
};

use crate::tables::{Row, Tables};

impl Tables {
    pub(crate) fn read_history(&self, request: HistoryRequest) -> TaskHistory {
        let mut entries = self.history(request.task);
        if !request.whole {
            let ordinal = |entry: &stent_core::HistoryEntry| entry.head.resolved?.ordinal;
            entries.retain(|entry| ordinal(entry) > Some(request.after));
            entries.sort_by_key(ordinal);
        }
        TaskHistory {
            task: request.task,
            entries,
        }
    }

    pub(crate) fn executions(&self, query: &ExecutionQuery) -> ExecutionPage {
        let wanted = self.rows.values().rev().filter(|row| {
            let task = &row.task;
            task.is_root()
                && holds(&query.ids, |ids| ids.contains(&task.execution))
                && (query.states.is_empty() || query.states.contains(&task.state.kind()))
                && holds(&query.function, |function| *function == task.function)
                && holds(&query.queue, |queue| *queue == task.queue)
                && holds(&query.tag, |tag| row.tags.contains(tag))
                && holds(&query.idempotency_key, |key| {
                    row.idempotency_key.as_ref() == Some(key)
                })
                && holds(&query.before, |before| task.execution < *before)
        });
        let records = wanted.map(|row| ExecutionRecord {
            root: record(row, query.payloads),
            idempotency_key: row.idempotency_key.clone(),
            tags: row.tags.iter().cloned().collect(),
        });
        let (executions, more) = page(records, query.limit);
        ExecutionPage { executions, more }
    }

    pub(crate) fn tasks(&self, query: &TaskQuery) -> TaskPage {
        let wanted = self.rows.values().filter(|row| {
            let task = &row.task;
            holds(&query.ids, |ids| ids.contains(&task.id))
                && holds(&query.execution, |execution| *execution == task.execution)
                && (query.states.is_empty() || query.states.contains(&task.state.kind()))
                && holds(&query.function, |function| *function == task.function)
                && holds(&query.after, |after| task.id > *after)
        });
        let (tasks, more) = page(wanted.map(|row| record(row, query.payloads)), query.limit);
        TaskPage { tasks, more }
    }

    pub(crate) fn list_functions(&self) -> Vec<FunctionRecord> {
        let mut counts: BTreeMap<&FunctionName, Counts> = BTreeMap::new();
        for function in self.functions.keys() {
            counts.entry(function).or_default();
        }
        let tasks = self.rows.values().map(|row| &row.task);
        for task in tasks.filter(|task| !task.state.kind().is_terminal()) {
            let counts = counts.entry(&task.function).or_default();
            match task.state.kind() {
                StateKind::Pending => counts.pending += 1,
                StateKind::Running => counts.running += 1,
                _ => counts.suspended += 1,
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

    pub(crate) fn list_workers(&self) -> Vec<WorkerRecord> {
        let since = self.now.saturating_sub(WORKER_LISTED);
        let heard_of = self.workers.values().filter(|one| one.seen_at >= since);
        let mut workers: Vec<_> = heard_of.cloned().collect();
        workers.sort_by_key(|worker| Reverse(worker.seen_at));
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

/// Whether a condition holds, or is not set.
fn holds<T>(condition: &Option<T>, is_met: impl FnOnce(&T) -> bool) -> bool {
    condition.as_ref().is_none_or(is_met)
}

/// The first of a list, and whether there are more.
fn page<T>(mut records: impl Iterator<Item = T>, limit: u32) -> (Vec<T>, bool) {
    let limit = limit.min(PAGE_SIZE_MAX) as usize;
    let page: Vec<T> = records.by_ref().take(limit).collect();
    (page, records.next().is_some())
}
