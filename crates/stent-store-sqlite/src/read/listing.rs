//! Pages of executions and tasks.

use std::{collections::BTreeSet, fmt::Write as _};

use rusqlite::OptionalExtension as _;
use stent_core::{
    ExecutionId, FunctionName, IdempotencyKey, Payload, QueueName, StateKind, Tag, Task, TaskId,
    defaults,
    store::{ExecutionPage, ExecutionQuery, ExecutionRecord, TaskPage, TaskQuery, TaskRecord},
};

use crate::{
    error::Fault,
    reader::Snapshot,
    rows::{self, Stored},
    statements::Sql,
};

/// Above all ids.
const ABOVE_ALL_IDS: [u8; 17] = [0xff; 17];

/// The bits of the states that a query wants.
fn wanted(states: &[StateKind]) -> i64 {
    let states = if states.is_empty() {
        &StateKind::ALL[..]
    } else {
        states
    };
    states
        .iter()
        .fold(0, |bits, state| bits | 1 << state.code())
}

/// How many rows a page shows.
fn page_size(limit: u32) -> u32 {
    limit.min(defaults::PAGE_SIZE_MAX)
}

/// What a statement that lists tasks found.
struct Rows {
    /// Those that can be read.
    tasks: Vec<Stored>,
    /// How many there were.
    read: usize,
}

impl Rows {
    /// All of them can be read.
    const fn all(tasks: Vec<Stored>) -> Self {
        let read = tasks.len();
        Self { tasks, read }
    }

    fn and(mut self, other: Self) -> Self {
        self.tasks.extend(other.tasks);
        Self {
            tasks: self.tasks,
            read: self.read.saturating_add(other.read),
        }
    }
}

/// Cuts a page; whether there is more, which rows that cannot be read say as well as others.
fn cut<T>(rows: &mut Vec<T>, size: u32, read: usize) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    rows.truncate(size);
    read > size
}

/// Ids as a JSON array of hexadecimal digits.
fn ids_as_json(ids: &[ExecutionId]) -> String {
    let mut json = String::from("[");
    for id in ids {
        let comma = if json.len() > 1 { "," } else { "" };
        // Writing to a string does not fail.
        write!(json, "{comma}\"{}\"", id.as_uuid().simple()).unwrap_or_default();
    }
    json.push(']');
    json
}

/// Leaves out of a list what cannot be read, unless it was asked for.
fn readable<T>(read: Result<T, Fault>, asked_for: bool) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ Fault::Row { .. }) if !asked_for => {
            tracing::warn!(%error, "a row cannot be read and is left out");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Snapshot<'_> {
    /// A page of executions, newest first.
    pub(crate) fn executions(&mut self, query: &ExecutionQuery) -> Result<ExecutionPage, Fault> {
        let size = page_size(query.limit);
        let Rows { mut tasks, read } = self.roots(query, size.saturating_add(1))?;
        let more = cut(&mut tasks, size, read);
        let mut executions = Vec::with_capacity(tasks.len());
        for root in tasks {
            let record = self.execution_record(root, query.payloads);
            executions.extend(readable(record, query.ids.is_some())?);
        }
        Ok(ExecutionPage { executions, more })
    }

    fn roots(&mut self, query: &ExecutionQuery, limit: u32) -> Result<Rows, Fault> {
        let before = match &query.before {
            Some(before) => &before.as_bytes()[..],
            None => &ABOVE_ALL_IDS[..],
        };
        let key = query.idempotency_key.as_ref().map(IdempotencyKey::as_str);
        let tag = query.tag.as_ref().map(Tag::as_str);
        let ids = query.ids.as_deref().map(ids_as_json);
        // The statement that reads the fewest rows.
        let sql = match (&ids, key, tag, &query.states[..]) {
            (Some(_), _, _, _) => Sql::ListExecutionsById,
            (None, Some(_), _, _) => Sql::ListExecutionsByIdempotencyKey,
            (None, None, Some(_), _) => Sql::ListExecutionsByTag,
            (None, None, None, [StateKind::Failed]) => Sql::ListDeadLetters,
            (None, None, None, _) => Sql::ListExecutions,
        };
        let statement = self.sql.get(sql)?;
        statement.raw_bind_parameter(1, before)?;
        statement.raw_bind_parameter(2, wanted(&query.states))?;
        statement.raw_bind_parameter(3, query.function.as_ref().map(FunctionName::as_str))?;
        statement.raw_bind_parameter(4, query.queue.as_ref().map(QueueName::as_str))?;
        statement.raw_bind_parameter(5, limit)?;
        statement.raw_bind_parameter(6, tag)?;
        statement.raw_bind_parameter(7, key)?;
        if let Some(ids) = &ids {
            statement.raw_bind_parameter(8, ids)?;
        }
        self.read_bound(sql, ids.is_some())
    }

    /// Runs a statement that lists tasks and whose parameters are bound. A row that cannot be read is left out, unless it was asked for.
    fn read_bound(&mut self, sql: Sql, asked_for: bool) -> Result<Rows, Fault> {
        let lanes = &self.lanes;
        let mut rows = self.sql.get(sql)?.raw_query();
        let (mut tasks, mut read) = (Vec::new(), 0_usize);
        while let Some(row) = rows.next()? {
            read = read.saturating_add(1);
            let task = rows::lane_of(row)
                .and_then(|lane| lanes.known(lane))
                .and_then(|lane| rows::task(row, lane));
            tasks.extend(readable(task, asked_for)?);
        }
        Ok(Rows { tasks, read })
    }

    fn execution_record(&mut self, root: Stored, payloads: bool) -> Result<ExecutionRecord, Fault> {
        let seq = root.seq;
        let statement = self.sql.get(Sql::FindIdempotencyKey)?;
        let key: Option<String> = statement.query_row([seq], |row| row.get(0)).optional()?;
        let bad = |error: stent_core::NameError| Fault::Row {
            table: "executions",
            row: seq,
            what: error.to_string(),
        };
        let idempotency_key = key.map(IdempotencyKey::new).transpose().map_err(bad)?;
        let mut rows = self.sql.get(Sql::ListTags)?.query([seq])?;
        let mut tags = Vec::new();
        while let Some(row) = rows.next()? {
            tags.push(Tag::new(rows::text(row, 0, "tags", seq)?).map_err(bad)?);
        }
        drop(rows);
        Ok(ExecutionRecord {
            root: self.task_record(root, payloads)?,
            idempotency_key,
            tags,
        })
    }

    /// A page of tasks, in the order of their making.
    pub(crate) fn tasks(&mut self, query: &TaskQuery) -> Result<TaskPage, Fault> {
        let size = page_size(query.limit);
        let Rows { mut tasks, read } = match &query.ids {
            Some(ids) => Rows::all(self.tasks_by_id(ids, query)?),
            None => self.tasks_in_order(query, size.saturating_add(1))?,
        };
        tasks.sort_unstable_by_key(|stored| stored.task.id);
        let more = cut(&mut tasks, size, read);
        let mut records = Vec::with_capacity(tasks.len());
        for task in tasks {
            let record = self.task_record(task, query.payloads);
            records.extend(readable(record, query.ids.is_some())?);
        }
        Ok(TaskPage {
            tasks: records,
            more,
        })
    }

    fn tasks_by_id(&mut self, ids: &[TaskId], query: &TaskQuery) -> Result<Vec<Stored>, Fault> {
        let mut tasks = Vec::new();
        let distinct: BTreeSet<&TaskId> = ids.iter().collect();
        for id in distinct {
            tasks.extend(self.task_by_id(*id)?);
        }
        tasks.retain(|stored| is_wanted(&stored.task, query));
        Ok(tasks)
    }

    fn task_by_id(&mut self, id: TaskId) -> Result<Option<Stored>, Fault> {
        for sql in [Sql::FindRoot, Sql::FindChild] {
            let statement = self.sql.get(sql)?;
            statement.raw_bind_parameter(1, &id.as_bytes()[..])?;
            let found = self.read_bound(sql, true)?.tasks.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Roots and children stand in different orders; each gives as many as a page may take.
    fn tasks_in_order(&mut self, query: &TaskQuery, limit: u32) -> Result<Rows, Fault> {
        let Some(execution) = query.execution else {
            let roots = self.list_tasks(Sql::ListRoots, query, limit, None)?;
            let children = self.list_tasks(Sql::ListChildren, query, limit, None)?;
            return Ok(roots.and(children));
        };
        let id = &execution.as_bytes()[..];
        let children = self.list_tasks(Sql::ListChildrenOfExecution, query, limit, Some(id))?;
        let root = self.task_by_id(execution.root())?;
        let root = root.filter(|root| is_wanted(&root.task, query));
        Ok(children.and(Rows::all(root.into_iter().collect())))
    }

    fn list_tasks(
        &mut self,
        sql: Sql,
        query: &TaskQuery,
        limit: u32,
        execution: Option<&[u8]>,
    ) -> Result<Rows, Fault> {
        let after = query
            .after
            .as_ref()
            .map_or(&[][..], |after| &after.as_bytes()[..]);
        let function = query.function.as_ref().map(FunctionName::as_str);
        let statement = self.sql.get(sql)?;
        statement.raw_bind_parameter(1, after)?;
        statement.raw_bind_parameter(2, wanted(&query.states))?;
        statement.raw_bind_parameter(3, function)?;
        statement.raw_bind_parameter(4, limit)?;
        if let Some(execution) = execution {
            statement.raw_bind_parameter(5, execution)?;
        }
        self.read_bound(sql, false)
    }

    fn task_record(&mut self, stored: Stored, payloads: bool) -> Result<TaskRecord, Fault> {
        let Stored { seq, task } = stored;
        if !payloads {
            return Ok(TaskRecord {
                task,
                input: None,
                outcome: None,
            });
        }
        let statement = self.sql.get(Sql::ReadInput)?;
        let input = statement.query_row([seq], |row| {
            Ok(rows::text(row, 0, "inputs", seq).map(Payload::from_stored))
        })??;
        let statement = self.sql.get(Sql::ReadOutcome)?;
        let text = statement.query_row([seq], |row| {
            let text = rows::maybe_text(row, 0, "tasks", seq);
            Ok(text.map(|text| text.map(str::to_owned)))
        })??;
        let outcome = rows::task_outcome(seq, task.state.kind(), text)?;
        Ok(TaskRecord {
            task,
            input: Some(input),
            outcome,
        })
    }
}

/// Whether a task is one that a query asks for.
fn is_wanted(task: &Task, query: &TaskQuery) -> bool {
    let TaskQuery {
        execution,
        states,
        function,
        after,
        ..
    } = query;
    execution.is_none_or(|execution| execution == task.execution)
        && (states.is_empty() || states.contains(&task.state.kind()))
        && function
            .as_ref()
            .is_none_or(|function| *function == task.function)
        && after.is_none_or(|after| task.id > after)
}
