//! Pages of executions and tasks.

use stent_core::{
    FunctionName, IdempotencyKey, Payload, QueueName, StateKind, Tag, Task, TaskId, defaults,
    store::{ExecutionPage, ExecutionQuery, ExecutionRecord, TaskPage, TaskQuery, TaskRecord},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::{self, Reading},
    session::Session,
    statements::Sql,
    write::uuids,
};

/// The codes of the states that a query wants.
fn wanted(states: &[StateKind]) -> Vec<i16> {
    let states = if states.is_empty() {
        &StateKind::ALL[..]
    } else {
        states
    };
    states
        .iter()
        .map(|state| rows::code(state.code()))
        .collect()
}

/// How many rows a page shows.
fn page_size(limit: u32) -> u32 {
    limit.min(defaults::PAGE_SIZE_MAX)
}

/// Cuts what was read, one row more than a page, to the page; says whether there is more.
fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    more
}

/// Leaves out of a list what cannot be read, unless it was asked for.
pub(super) fn readable<T>(read: Result<T, Fault>, asked_for: bool) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ Fault::Row { .. }) if !asked_for => {
            tracing::warn!(%error, "a row cannot be read and is left out");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Session<'_> {
    /// A page of executions, newest first.
    pub(crate) async fn execution_page(
        &self,
        query: &ExecutionQuery,
    ) -> Result<ExecutionPage, Fault> {
        let size = page_size(query.limit);
        let key = query.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        let tag = query.tag.as_ref().map(Tag::as_str);
        // The statement that reads the fewest rows.
        let sql = match (&query.ids, key, tag, &query.states[..]) {
            (Some(_), _, _, _) => Sql::ListExecutionsById,
            (None, Some(_), _, _) => Sql::ListExecutionsByKey,
            (None, None, Some(_), _) => Sql::ListExecutionsByTag,
            (None, None, None, [StateKind::Failed]) => Sql::ListDeadLetters,
            (None, None, None, _) => Sql::ListExecutions,
        };
        let before: Option<Uuid> = query.before.map(|before| *before.as_uuid());
        let mut call = Call::new(sql)
            .with(before)
            .with(wanted(&query.states))
            .with(query.function.as_ref().map(|name| name.as_str().to_owned()))
            .with(
                query
                    .queue
                    .as_ref()
                    .map(QueueName::as_str)
                    .map(str::to_owned),
            )
            .with(i64::from(size.saturating_add(1)))
            .with(tag.map(str::to_owned))
            .with(key.map(str::to_owned))
            .with(query.payloads);
        if let Some(ids) = &query.ids {
            let mut ids: Vec<TaskId> = ids.iter().map(|id| id.root()).collect();
            ids.sort_unstable();
            ids.dedup();
            call = call.with(uuids(ids));
        }
        let mut answers = self.pipeline(Frame::BeginRead, &[call]).await?;
        let mut rows = answers.pop().unwrap_or_default();
        let more = cut(&mut rows, size);
        self.know_lanes(&rows).await?;
        let mut executions = Vec::with_capacity(rows.len());
        for row in &rows {
            let record = self.execution_record(row, query.payloads);
            executions.extend(readable(record, query.ids.is_some())?);
        }
        Ok(ExecutionPage { executions, more })
    }

    fn execution_record(&self, row: &Row, payloads: bool) -> Result<ExecutionRecord, Fault> {
        let root = self.task_record(row, payloads)?;
        let row = Reading::new(row, "task_rows");
        let key: Option<&str> = row.get(rows::TASK_COLUMNS + 2)?;
        let key = key.map(IdempotencyKey::new).transpose();
        let tags: Vec<&str> = row.get(rows::TASK_COLUMNS + 3)?;
        let tags: Result<Vec<Tag>, _> = tags.into_iter().map(Tag::new).collect();
        Ok(ExecutionRecord {
            root,
            idempotency_key: key.map_err(|error| row.bad(error))?,
            tags: tags.map_err(|error| row.bad(error))?,
        })
    }

    /// A page of tasks, in the order of their ids.
    pub(crate) async fn task_page(&self, query: &TaskQuery) -> Result<TaskPage, Fault> {
        let size = page_size(query.limit);
        let answers = self
            .pipeline(Frame::BeginRead, &task_calls(query, size))
            .await?;
        let mut tasks = Vec::new();
        for row in answers.into_iter().flatten() {
            self.know_lanes(std::slice::from_ref(&row)).await?;
            let record = self.task_record(&row, query.payloads);
            tasks.extend(readable(record, query.ids.is_some())?);
        }
        tasks.retain(|record| is_wanted(&record.task, query));
        tasks.sort_unstable_by_key(|record| record.task.id);
        let more = cut(&mut tasks, size);
        Ok(TaskPage { tasks, more })
    }

    fn task_record(&self, row: &Row, payloads: bool) -> Result<TaskRecord, Fault> {
        let task = self.stored_one(row)?;
        let state = task.state.kind();
        let input: Option<String> = Reading::new(row, "task_rows").get(rows::TASK_COLUMNS)?;
        let outcome = if payloads {
            rows::task_outcome(row, state, rows::TASK_COLUMNS + 1)?
        } else {
            None
        };
        Ok(TaskRecord {
            task,
            input: input.map(Payload::from_stored),
            outcome,
        })
    }
}

/// The statements that list tasks. The root of an execution and its other tasks stand in different indexes; each gives as many as a page may take.
fn task_calls(query: &TaskQuery, size: u32) -> Vec<Call> {
    let page = i64::from(size.saturating_add(1));
    let call = |sql, limit: i64| {
        let after: Option<Uuid> = query.after.map(|after| *after.as_uuid());
        let function = query.function.as_ref().map(FunctionName::as_str);
        Call::new(sql)
            .with(after)
            .with(wanted(&query.states))
            .with(function.map(str::to_owned))
            .with(limit)
            .with(query.payloads)
    };
    // Which of them belong to the page is seen only once they are read.
    let by_id = |ids: Vec<TaskId>| call(Sql::ListTasksById, i64::MAX).with(uuids(ids));
    match (&query.ids, query.execution) {
        (Some(ids), _) => {
            let mut ids = ids.clone();
            ids.sort_unstable();
            ids.dedup();
            vec![by_id(ids)]
        }
        (None, Some(execution)) => vec![
            by_id(vec![execution.root()]),
            call(Sql::ListTasksOfExecution, page).with(*execution.as_uuid()),
        ],
        (None, None) => vec![call(Sql::ListTasks, page)],
    }
}

/// Whether a task belongs to the execution that a query asks for.
fn is_wanted(task: &Task, query: &TaskQuery) -> bool {
    query
        .execution
        .is_none_or(|execution| execution == task.execution)
}
