//! The read side.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{
    FunctionName, QueueName, TaskId, Timestamp,
    store::{
        Counts, ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord, HistoryRequest,
        QueueRecord, TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord, page,
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
        let records = rows.filter_map(|row| {
            let labels = self.executions.get(&row.task.execution)?;
            let key = labels.idempotency_key.as_ref();
            let is_wanted = query.wants(&row.task, key, |tag| labels.tags.contains(tag));
            is_wanted.then(|| ExecutionRecord {
                root: record(row, query.payloads),
                idempotency_key: labels.idempotency_key.clone(),
                tags: labels.tags.iter().cloned().collect(),
            })
        });
        let (executions, more) = page(records, query.limit);
        ExecutionPage { executions, more }
    }

    /// Tasks by a query, in the order of their making.
    pub(crate) fn tasks(&self, query: &TaskQuery) -> TaskPage {
        let members = query.execution.map(|execution| {
            let members = self.index.members.get(&execution);
            members.cloned().unwrap_or_default()
        });
        let ids = query.ids.as_ref();
        let ids = ids.map(|ids| ids.iter().copied().collect());
        let candidates = self.candidates(ids.or(members));
        let wanted = candidates.filter(|row| query.wants(&row.task));
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
                counts.entry(&row.task.function).or_default().add(state);
            }
        }
        let records = counts.into_iter().map(|(name, counts)| {
            let limits = self.functions.get(name).copied().unwrap_or_default();
            FunctionRecord {
                name: name.clone(),
                limits,
                slots_held: self.slots(name).map_or(0, |slots| slots.held),
                counts,
            }
        });
        records.collect()
    }

    /// Queues with tasks that have not ended, by name.
    pub(crate) fn queues(&self, now: Timestamp) -> Vec<QueueRecord> {
        let mut queues: BTreeMap<&QueueName, QueueRecord> = BTreeMap::new();
        let tasks = self.rows().map(|row| &row.task);
        for task in tasks.filter(|task| !task.state.kind().is_terminal()) {
            let queue = queues
                .entry(&task.queue)
                .or_insert_with_key(|name| QueueRecord {
                    name: (*name).clone(),
                    counts: Counts::default(),
                    oldest_due: None,
                });
            queue.counts.add(task.state.kind());
            let due_at = task.state.due_at().filter(|at| *at <= now);
            queue.oldest_due = queue.oldest_due.into_iter().chain(due_at).min();
        }
        queues.into_values().collect()
    }

    /// Workers that were heard of lately, the newest first.
    pub(crate) fn workers(&self, now: Timestamp) -> Vec<WorkerRecord> {
        let workers = self.workers.values().filter(|one| one.is_listed(now));
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
