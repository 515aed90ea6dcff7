//! Everything that can be seen of a store, as lines that can be compared and read.

use std::{collections::BTreeSet, fmt};

use stent_core::{
    HistoryEntry, Ordinal, Outcome, Payload, Store, Task, TaskId,
    store::{
        ExecutionQuery, ExecutionRecord, FunctionRecord, HistoryRequest, TaskQuery, TaskRecord,
    },
};

use crate::world::answered;

/// Rows per page: few, so that paging is exercised too.
const PAGE: u32 = 7;

/// Everything that can be seen of a store: its executions, tasks with payloads, histories, functions, queues and workers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Visible {
    lines: BTreeSet<String>,
    pub(crate) tasks: Vec<SeenTask>,
    pub(crate) functions: Vec<FunctionRecord>,
}

/// A task with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenTask {
    pub(crate) task: Task,
    pub(crate) history: Vec<HistoryEntry>,
}

impl Visible {
    pub(crate) async fn of(store: &dyn Store) -> Self {
        let mut lines = BTreeSet::new();
        for execution in executions(store).await {
            let ExecutionRecord {
                root,
                idempotency_key,
                tags,
            } = execution;
            let id = root.task.execution;
            lines.insert(format!(
                "execution {id}: key {idempotency_key:?}, tags {tags:?}, {}",
                line_of(&root)
            ));
        }
        let mut seen = Vec::new();
        let records = tasks(store).await;
        let histories = histories(store, &records).await;
        for (record, history) in records.into_iter().zip(histories) {
            lines.insert(line_of(&record));
            for entry in &history {
                lines.insert(line_of_entry(record.task.id, entry));
            }
            seen.push(SeenTask {
                task: record.task,
                history,
            });
        }
        // A function of which nothing is known but its name may be listed or not.
        let mut functions = answered("list functions", store.functions().await);
        functions.retain(|function| {
            function.limits.effective().is_some()
                || function.counts != stent_core::store::Counts::default()
        });
        lines.extend(functions.iter().map(|function| format!("{function:?}")));
        let queues = answered("list queues", store.queues().await);
        lines.extend(queues.iter().map(|queue| format!("{queue:?}")));
        let workers = answered("list workers", store.workers().await);
        let workers = workers.iter().enumerate();
        lines.extend(workers.map(|(place, worker)| format!("worker {place}: {worker:?}")));
        Self {
            lines,
            tasks: seen,
            functions,
        }
    }

    /// What only one of two sees.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let only = |mark: &str, a: &Self, b: &Self| {
            let lines = a.lines.difference(&b.lines);
            lines
                .map(|line| format!("{mark} {line}\n"))
                .collect::<String>()
        };
        only("-", self, other) + &only("+", other, self)
    }
}

impl fmt::Debug for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn text(payload: Option<&Payload>) -> &str {
    payload.map_or("-", Payload::as_str)
}

fn line_of(record: &TaskRecord) -> String {
    let outcome = record.outcome.as_ref();
    format!(
        "task {}: input {}, outcome {}, {:?}",
        record.task.id,
        text(record.input.as_ref()),
        line_of_outcome(outcome),
        record.task
    )
}

fn line_of_outcome(outcome: Option<&Outcome>) -> String {
    match outcome {
        Some(Outcome::Completed(payload)) => format!("completed {}", payload.as_str()),
        other => format!("{other:?}"),
    }
}

fn line_of_entry(task: TaskId, entry: &HistoryEntry) -> String {
    format!(
        "history of {task} at {}: outcome {}, {:?}",
        entry.head.position,
        line_of_outcome(entry.outcome.as_ref()),
        entry.head
    )
}

/// All executions, newest first, with payloads.
pub(crate) async fn executions(store: &dyn Store) -> Vec<ExecutionRecord> {
    let mut all: Vec<ExecutionRecord> = Vec::new();
    loop {
        let query = ExecutionQuery {
            before: all.last().map(|last| last.root.task.execution),
            limit: PAGE,
            payloads: true,
            ..ExecutionQuery::default()
        };
        let page = answered("list executions", store.executions(query).await);
        assert!(page.executions.len() <= PAGE as usize, "a page is too long");
        assert!(
            !page.more || !page.executions.is_empty(),
            "an empty page is followed by more"
        );
        all.extend(page.executions);
        if !page.more {
            return all;
        }
    }
}

/// All tasks, in the order of their making, with payloads.
pub(crate) async fn tasks(store: &dyn Store) -> Vec<TaskRecord> {
    let mut all: Vec<TaskRecord> = Vec::new();
    loop {
        let query = TaskQuery {
            after: all.last().map(|last| last.task.id),
            limit: PAGE,
            payloads: true,
            ..TaskQuery::default()
        };
        let page = answered("list tasks", store.tasks(query).await);
        assert!(page.tasks.len() <= PAGE as usize, "a page is too long");
        assert!(
            !page.more || !page.tasks.is_empty(),
            "an empty page is followed by more"
        );
        all.extend(page.tasks);
        if !page.more {
            return all;
        }
    }
}

async fn histories(store: &dyn Store, tasks: &[TaskRecord]) -> Vec<Vec<HistoryEntry>> {
    let request = |record: &TaskRecord| HistoryRequest {
        task: record.task.id,
        after: Ordinal::NONE,
        whole: true,
    };
    let requests = tasks.iter().map(request).collect();
    let histories = answered("read histories", store.history(requests).await);
    assert_eq!(histories.len(), tasks.len(), "each history is answered");
    for (history, record) in histories.iter().zip(tasks) {
        assert_eq!(
            history.task, record.task.id,
            "histories are answered in order"
        );
    }
    histories
        .into_iter()
        .map(|history| history.entries)
        .collect()
}
