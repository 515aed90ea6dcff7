//! Rows and model, back and forth. What cannot be read is an error that names the row.

use rusqlite::{Row, types::ValueRef};
use stent_core::{
    CallKey, CallPosition, ClaimMark, Crashes, EntryHead, ExecutionId, Fence, FencingToken, Lane,
    Operation, Ordinal, Outcome, OutcomeKind, ParentLink, SignalId, State, StateKind, Task, TaskId,
    Timestamp, WorkerName,
    encoding::{DecodeError, OperationKind, StoredOperation},
    history::Resolved,
    time::from_micros,
};
use uuid::Uuid;

use crate::error::Fault;

/// A task with the number of its row.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) seq: i64,
    pub(crate) task: Task,
}

/// Number of the columns of a task that come first in every statement that reads tasks.
pub(crate) const TASK_COLUMNS: usize = 25;
/// Number of the columns of a history entry that come first in every statement that reads histories.
pub(crate) const ENTRY_COLUMNS: usize = 12;

/// The row that is being read, for errors.
struct Reading<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
    number: i64,
}

impl Reading<'_, '_> {
    fn bad(&self, what: impl ToString) -> Fault {
        Fault::Row {
            table: self.table,
            row: self.number,
            what: what.to_string(),
        }
    }

    fn value(&self, column: usize) -> Result<ValueRef<'_>, Fault> {
        self.row.get_ref(column).map_err(Fault::from)
    }

    fn wrong(&self, column: usize, wanted: &str) -> Fault {
        self.bad(format!("column {column} is not {wanted}"))
    }

    fn number(&self, column: usize) -> Result<i64, Fault> {
        self.maybe_number(column)?
            .ok_or_else(|| self.wrong(column, "a number"))
    }

    fn maybe_number(&self, column: usize) -> Result<Option<i64>, Fault> {
        match self.value(column)? {
            ValueRef::Integer(number) => Ok(Some(number)),
            ValueRef::Null => Ok(None),
            ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                Err(self.wrong(column, "a number"))
            }
        }
    }

    fn count(&self, column: usize) -> Result<u32, Fault> {
        u32::try_from(self.number(column)?).map_err(|_| self.wrong(column, "a count"))
    }

    fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        self.number(column).map(Timestamp::from_micros)
    }

    fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, Fault> {
        Ok(self.maybe_number(column)?.map(Timestamp::from_micros))
    }

    fn maybe_text(&self, column: usize) -> Result<Option<&str>, Fault> {
        match self.value(column)? {
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map(Some)
                .map_err(|_| self.wrong(column, "text in UTF-8")),
            ValueRef::Null => Ok(None),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                Err(self.wrong(column, "text"))
            }
        }
    }

    fn uuid(&self, column: usize) -> Result<Uuid, Fault> {
        self.maybe_uuid(column)?
            .ok_or_else(|| self.wrong(column, "an id"))
    }

    fn maybe_uuid(&self, column: usize) -> Result<Option<Uuid>, Fault> {
        match self.value(column)? {
            ValueRef::Blob(bytes) => Uuid::from_slice(bytes)
                .map(Some)
                .map_err(|_| self.wrong(column, "an id of 16 bytes")),
            ValueRef::Null => Ok(None),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => {
                Err(self.wrong(column, "an id"))
            }
        }
    }
}

/// The number of a task's lane, which its caller looks up.
pub(crate) fn lane_of(row: &Row<'_>) -> Result<i64, Fault> {
    row.get(5).map_err(Fault::from)
}

/// Reads a task. `lane` is the one that [`lane_of`] named.
pub(crate) fn task(row: &Row<'_>, lane: &Lane) -> Result<Stored, Fault> {
    let seq = row.get(0)?;
    let row = Reading {
        row,
        table: "tasks",
        number: seq,
    };
    let id = TaskId::from_uuid(row.uuid(1)?);
    let parent = match row.maybe_uuid(3)? {
        Some(parent) => Some(ParentLink {
            task: TaskId::from_uuid(parent),
            position: CallPosition(row.count(4)?),
        }),
        None => None,
    };
    let task = Task {
        id,
        execution: row
            .maybe_uuid(2)?
            .map_or(id.as_root(), ExecutionId::from_uuid),
        parent,
        function: lane.function.clone(),
        queue: lane.queue.clone(),
        priority: lane.priority,
        state: state(&row)?,
        fence: Fence {
            token: FencingToken(row.number(11)?),
            mark: ClaimMark(row.number(12)?),
        },
        commits: row.count(13)?,
        failed_attempts: row.count(14)?,
        crashes: Crashes {
            total: row.count(15)?,
            as_suspect: row.count(16)?,
        },
        holds_slot: lane.class.holds_slot,
        cancel_requested: row.number(17)? != 0,
        operations: row.count(18)?,
        deliveries: Ordinal(row.count(19)?),
        timeout: row.maybe_number(20)?.map(from_micros),
        attempt_ends: row.maybe_time(24)?,
        deadline: row.maybe_time(21)?,
        queued_at: row.time(22)?,
        created_at: row.time(23)?,
    };
    Ok(Stored { seq, task })
}

fn state(row: &Reading<'_, '_>) -> Result<State, Fault> {
    let kind = StateKind::from_code(row.number(6)?).map_err(|error| row.bad(error))?;
    Ok(match kind {
        StateKind::Pending => State::Pending {
            run_at: row.time(7)?,
        },
        StateKind::Running => {
            let holder = row
                .maybe_text(9)?
                .ok_or_else(|| row.wrong(9, "a worker's name"))?;
            State::Running {
                holder: WorkerName::new(holder).map_err(|error| row.bad(error))?,
                expires_at: row.time(8)?,
            }
        }
        StateKind::Suspended => State::Suspended {
            wake_at: row.maybe_time(7)?,
        },
        StateKind::Completed => State::Completed { at: row.time(10)? },
        StateKind::Failed => State::Failed { at: row.time(10)? },
        StateKind::TimedOut => State::TimedOut { at: row.time(10)? },
        StateKind::Cancelled => State::Cancelled { at: row.time(10)? },
    })
}

/// A state in columns.
pub(crate) struct StateColumns<'s> {
    pub(crate) code: i64,
    pub(crate) due_at: Option<i64>,
    pub(crate) lease_expires_at: Option<i64>,
    pub(crate) holder: Option<&'s str>,
    pub(crate) ended_at: Option<i64>,
}

impl<'s> From<&'s State> for StateColumns<'s> {
    fn from(state: &'s State) -> Self {
        let holder = match state {
            State::Running { holder, .. } => Some(holder.as_str()),
            State::Pending { .. }
            | State::Suspended { .. }
            | State::Completed { .. }
            | State::Failed { .. }
            | State::TimedOut { .. }
            | State::Cancelled { .. } => None,
        };
        Self {
            code: state.kind().code(),
            due_at: state.due_at().map(Timestamp::as_micros),
            lease_expires_at: state.lease_expires_at().map(Timestamp::as_micros),
            holder,
            ended_at: state.ended_at().map(Timestamp::as_micros),
        }
    }
}

/// Reads a history entry of a task, without its outcome.
pub(crate) fn entry(row: &Row<'_>, task: i64) -> Result<EntryHead, Fault> {
    let row = Reading {
        row,
        table: "history",
        number: task,
    };
    let key = match row.maybe_text(1)? {
        Some(key) => Some(CallKey::new(key).map_err(|error| row.bad(error))?),
        None => None,
    };
    let stored = StoredOperation {
        kind: OperationKind::from_code(row.number(2)?).map_err(|error| row.bad(error))?,
        name: row.maybe_text(3)?.map(str::to_owned),
        number: row.maybe_number(4)?,
    };
    let ordinal = match row.maybe_number(10)? {
        Some(_) => Some(Ordinal(row.count(10)?)),
        None => None,
    };
    let resolved = outcome_kind(&row)?.map(|kind| Resolved {
        completed: kind == OutcomeKind::Completed,
        ordinal,
    });
    Ok(EntryHead {
        position: CallPosition(row.count(0)?),
        key,
        operation: Operation::try_from(stored).map_err(|error| row.bad(error))?,
        after: Ordinal(row.count(5)?),
        child: row.maybe_uuid(6)?.map(TaskId::from_uuid),
        wake_at: row.maybe_time(7)?,
        abandoned: row.number(8)? != 0,
        signal: row.maybe_uuid(9)?.map(SignalId::from_uuid),
        resolved,
    })
}

fn outcome_kind(row: &Reading<'_, '_>) -> Result<Option<OutcomeKind>, Fault> {
    row.maybe_number(11)?
        .map(OutcomeKind::from_code)
        .transpose()
        .map_err(|error: DecodeError| row.bad(error))
}

/// Reads the outcome of a history entry of a task, from the column after the entry's.
pub(crate) fn entry_outcome(row: &Row<'_>, task: i64) -> Result<Option<Outcome>, Fault> {
    let row = Reading {
        row,
        table: "history",
        number: task,
    };
    let Some(kind) = outcome_kind(&row)? else {
        return Ok(None);
    };
    let text = row.maybe_text(ENTRY_COLUMNS)?.map(str::to_owned);
    Outcome::from_stored(kind, text)
        .map(Some)
        .map_err(|error| row.bad(error))
}

/// The outcome of a task that ended, by its state's code and the text beside it.
pub(crate) fn task_outcome(
    seq: i64,
    state: StateKind,
    text: Option<String>,
) -> Result<Option<Outcome>, Fault> {
    if !state.is_terminal() {
        return Ok(None);
    }
    OutcomeKind::from_code(state.code())
        .and_then(|kind| Outcome::from_stored(kind, text))
        .map(Some)
        .map_err(|error| Fault::Row {
            table: "tasks",
            row: seq,
            what: error.to_string(),
        })
}

/// Reads a text that must be there.
pub(crate) fn text<'r>(
    row: &'r Row<'_>,
    column: usize,
    table: &'static str,
    number: i64,
) -> Result<&'r str, Fault> {
    maybe_text(row, column, table, number)?.ok_or_else(|| Fault::Row {
        table,
        row: number,
        what: format!("column {column} is empty"),
    })
}

/// Reads a text that may be missing.
pub(crate) fn maybe_text<'r>(
    row: &'r Row<'_>,
    column: usize,
    table: &'static str,
    number: i64,
) -> Result<Option<&'r str>, Fault> {
    let value = row.get_ref(column)?;
    value.as_str_or_null().map_err(|error| Fault::Row {
        table,
        row: number,
        what: format!("column {column} is no text: {error}"),
    })
}
