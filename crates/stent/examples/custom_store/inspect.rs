//! The read side.

use std::{cmp::Reverse, collections::BTreeMap};

use stent_core::{
    Task, TaskId,
    limit::Limits,
    store::{
        ExecutionPage, ExecutionQuery, ExecutionRecord, FunctionRecord, HistoryRequest,
        QueueRecord, TaskHistory, TaskPage, TaskQuery, TaskRecord, WorkerRecord, page,
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
        let rows = self.rows.values().rev();
        let wanted = rows.filter(|row| {
            let (key, execution) = (row.idempotency_key.as_ref(), row.task.execution);
            let is_named = query
                .ids
                .as_ref()
                .is_none_or(|ids| ids.contains(&execution));
            is_named && query.wants(&row.task, key, |tag| row.tags.contains(tag))
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
            let is_named = |ids: &Vec<TaskId>| ids.contains(&row.task.id);
            query.ids.as_ref().is_none_or(is_named) && query.wants(&row.task)
        });
        let (tasks, more) = page(wanted.map(|row| record(row, query.payloads)), query.limit);
        TaskPage { tasks, more }
    }

    pub(crate) fn list_functions(&self) -> Vec<FunctionRecord> {
        let known = self.functions.iter().map(|(name, limits)| (name, *limits));
        let mut records: BTreeMap<_, _> = known
            .map(|(name, limits)| (name, FunctionRecord::new(name.clone(), limits)))
            .collect();
        for task in self.live() {
            let function = records.entry(&task.function);
            let record = function
                .or_insert_with_key(|name| FunctionRecord::new((*name).clone(), Limits::default()));
            record.counts.add(task.state.kind());
        }
        let with_slots = |mut record: FunctionRecord| {
            record.slots_held = self.slots(&record.name).map_or(0, |slots| slots.held);
            record
        };
        records.into_values().map(with_slots).collect()
    }

    pub(crate) fn list_queues(&self) -> Vec<QueueRecord> {
        let mut records = BTreeMap::new();
        for task in self.live() {
            let queue = records.entry(&task.queue);
            let record = queue.or_insert_with_key(|name| QueueRecord::new((*name).clone()));
            record.counts.add(task.state.kind());
            record.add_due(task.state.due_at(), self.now);
        }
        records.into_values().collect()
    }

    fn live(&self) -> impl Iterator<Item = &Task> {
        let tasks = self.rows.values().map(|row| &row.task);
        tasks.filter(|task| !task.state.kind().is_terminal())
    }

    pub(crate) fn list_workers(&self) -> Vec<WorkerRecord> {
        let workers = self.workers.values().cloned();
        let mut workers: Vec<_> = workers.filter(|one| one.is_listed(self.now)).collect();
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
