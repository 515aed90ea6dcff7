//! Pages of executions and tasks.

use std::{collections::BTreeSet, fmt::Write as _};

use rusqlite::OptionalExtension as _;
use stent_core::{
    ExecutionId, FunctionName, IdempotencyKey, Payload, QueueName, StateKind, Tag, Task, TaskId,
    defaults,
    store::{ExecutionPage, ExecutionQuery, ExecutionRecord, TaskPage, TaskQuery, TaskRecord},
};
use uuid::Uuid;

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

/// Some rows of a list, in its order.
struct Listed {
    /// Those that can be read.
    tasks: Vec<Stored>,
    /// The last one of all, if the list may go on behind it.
    last: Option<Uuid>,
}

/// Cuts what was read, one row more than a page, to the page; says whether there is more.
fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    more
}

/// How many rows a page lacks, and one more that shows that there is more.
fn missing<T>(rows: &[T], size: u32) -> u32 {
    let rows = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    size.saturating_add(1).saturating_sub(rows)
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
pub(super) fn readable<T>(read: Result<T, Fault>, asked_for: bool) -> Result<Option<T>, Fault> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error @ (Fault::Row { .. } | Fault::Value(_))) if !asked_for => {
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
        let mut executions = Vec::new();
        let mut before = query.before;
        // What cannot be read takes no place on the page.
        while let missing @ 1.. = missing(&executions, size) {
            let Listed { tasks, last } = self.roots(query, before, missing)?;
            for root in tasks {
                let record = self.execution_record(root, query.payloads);
                executions.extend(readable(record, query.ids.is_some())?);
            }
            if last.is_none() {
                break;
            }
            before = last.map(ExecutionId::from_uuid);
        }
        let more = cut(&mut executions, size);
        Ok(ExecutionPage { executions, more })
    }

    fn roots(
        &mut self,
        query: &ExecutionQuery,
        before: Option<ExecutionId>,
        limit: u32,
    ) -> Result<Listed, Fault> {
        let before = match &before {
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
        self.read_bound(sql, limit, ids.is_some())
    }

    /// Runs a statement that lists tasks, so many at most, and whose parameters are bound. A row that cannot be read is left out, unless it
    /// was asked for.
    fn read_bound(&mut self, sql: Sql, limit: u32, asked_for: bool) -> Result<Listed, Fault> {
        let lanes = &self.lanes;
        let mut rows = self.sql.get(sql)?.raw_query();
        let (mut tasks, mut read, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            let task = rows::lane_of(row)
                .and_then(|lane| lanes.known(lane))
                .and_then(|lane| rows::task(row, lane));
            tasks.extend(readable(task, asked_for)?);
            read += 1;
            last = Some(Uuid::from_bytes(row.get(1)?));
        }
        Ok(Listed {
            tasks,
            last: last.filter(|_| read >= limit),
        })
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
        let mut tasks = Vec::new();
        let mut query = query.clone();
        // What cannot be read takes no place on the page.
        while let missing @ 1.. = missing(&tasks, size) {
            let Listed {
                tasks: listed,
                last,
            } = match &query.ids {
                Some(ids) => self.tasks_by_id(ids, &query)?,
                None => self.tasks_in_order(&query, missing)?,
            };
            for task in listed {
                let record = self.task_record(task, query.payloads);
                tasks.extend(readable(record, query.ids.is_some())?);
            }
            if last.is_none() {
                break;
            }
            query.after = last.map(TaskId::from_uuid);
        }
        let more = cut(&mut tasks, size);
        Ok(TaskPage { tasks, more })
    }

    fn tasks_by_id(&mut self, ids: &[TaskId], query: &TaskQuery) -> Result<Listed, Fault> {
        let mut tasks = Vec::new();
        let distinct: BTreeSet<&TaskId> = ids.iter().collect();
        for id in distinct {
            tasks.extend(self.task_by_id(*id)?);
        }
        tasks.retain(|stored| is_wanted(&stored.task, query));
        Ok(Listed { tasks, last: None })
    }

    fn task_by_id(&mut self, id: TaskId) -> Result<Option<Stored>, Fault> {
        for sql in [Sql::FindRoot, Sql::FindChild] {
            let statement = self.sql.get(sql)?;
            statement.raw_bind_parameter(1, &id.as_bytes()[..])?;
            let found = self.read_bound(sql, u32::MAX, true)?.tasks.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Roots and children stand in different orders; each gives as many as a page may take.
    fn tasks_in_order(&mut self, query: &TaskQuery, limit: u32) -> Result<Listed, Fault> {
        let (mut all, others) = match query.execution {
            None => (
                self.list_tasks(Sql::ListRoots, query, limit, None)?,
                self.list_tasks(Sql::ListChildren, query, limit, None)?,
            ),
            Some(execution) => {
                let id = &execution.as_bytes()[..];
                let root = readable(self.task_by_id(execution.root()), false)?.flatten();
                let root = Listed {
                    tasks: root.into_iter().collect(),
                    last: None,
                };
                let sql = Sql::ListChildrenOfExecution;
                (self.list_tasks(sql, query, limit, Some(id))?, root)
            }
        };
        all.tasks.extend(others.tasks);
        all.tasks.retain(|stored| is_wanted(&stored.task, query));
        all.tasks.sort_unstable_by_key(|stored| stored.task.id);
        // Behind the end of the shorter order, something may be missing.
        all.last = [all.last, others.last].into_iter().flatten().min();
        if let Some(last) = all.last.map(TaskId::from_uuid) {
            all.tasks.retain(|stored| stored.task.id <= last);
        }
        Ok(all)
    }

    fn list_tasks(
        &mut self,
        sql: Sql,
        query: &TaskQuery,
        limit: u32,
        execution: Option<&[u8]>,
    ) -> Result<Listed, Fault> {
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
        self.read_bound(sql, limit, false)
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
