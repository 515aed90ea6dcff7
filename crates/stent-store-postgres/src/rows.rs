//! Rows and model, back and forth. What cannot be read is an error that names the row.

use stent_core::{
    CallKey, CallPosition, ClaimMark, Crashes, EntryHead, ExecutionId, Fence, FencingToken,
    HistoryEntry, Lane, LaneClass, Operation, Ordinal, Outcome, OutcomeKind, ParentLink, SignalId,
    State, StateKind, Task, TaskId, Timestamp, WorkerName,
    encoding::{OperationKind, StoredOperation},
    history::Resolved,
    time::from_micros,
};
use tokio_postgres::{Row, types::FromSql};
use uuid::Uuid;

use crate::fault::Fault;

/// The last column of a task: its place in the order of making.
pub(crate) const SEQ_COLUMN: usize = 23;
/// Number of the columns of a task that come first in every statement that reads tasks.
pub(crate) const TASK_COLUMNS: usize = 25;
/// Number of the columns of a history entry that come first in every statement that reads histories.
pub(crate) const ENTRY_COLUMNS: usize = 13;

/// A row that is being read, of which errors tell.
pub(crate) struct Reading<'r> {
    row: &'r Row,
    table: &'static str,
}

impl<'r> Reading<'r> {
    pub(crate) const fn new(row: &'r Row, table: &'static str) -> Self {
        Self { row, table }
    }

    /// An error about the row.
    pub(crate) fn bad(&self, what: impl ToString) -> Fault {
        let id = self.row.try_get::<_, Uuid>(0);
        Fault::Row {
            table: self.table,
            row: id.map(|id| id.to_string()).unwrap_or_default(),
            what: what.to_string(),
        }
    }

    pub(crate) fn get<T: FromSql<'r>>(&self, column: usize) -> Result<T, Fault> {
        self.row.try_get(column).map_err(|error| self.bad(error))
    }

    pub(crate) fn count(&self, column: usize) -> Result<u32, Fault> {
        let number: i32 = self.get(column)?;
        u32::try_from(number).map_err(|_| self.bad(format!("column {column} is not a count")))
    }

    pub(crate) fn large_count(&self, column: usize) -> Result<u32, Fault> {
        let number: i64 = self.get(column)?;
        u32::try_from(number).map_err(|_| self.bad(format!("column {column} is not a count")))
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        self.get(column).map(Timestamp::from_micros)
    }

    pub(crate) fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, Fault> {
        let at: Option<i64> = self.get(column)?;
        Ok(at.map(Timestamp::from_micros))
    }

    pub(crate) fn task_id(&self, column: usize) -> Result<TaskId, Fault> {
        self.get(column).map(TaskId::from_uuid)
    }
}

/// The number of the row of `lanes` that a task's lane belongs to.
pub(crate) const fn lane_row(lane: i32) -> i32 {
    lane >> 2
}

/// The number of a lane: of its row, and its class.
pub(crate) const fn lane_number(row: i32, class: LaneClass) -> i32 {
    (row << 2) | (class.holds_slot as i32) | ((class.suspect as i32) << 1)
}

/// The class in a lane's number.
pub(crate) const fn lane_class(lane: i32) -> LaneClass {
    LaneClass {
        holds_slot: lane & 1 != 0,
        suspect: lane & 2 != 0,
    }
}

/// The number of a task's lane, which its caller looks up.
pub(crate) fn lane_of(row: &Row) -> Result<i32, Fault> {
    Reading::new(row, "task_rows").get(4)
}

/// Reads a task. `lane` is the one that [`lane_of`] named.
pub(crate) fn task(row: &Row, lane: &Lane) -> Result<Task, Fault> {
    let row = Reading::new(row, "task_rows");
    let id = row.task_id(0)?;
    let parent: Option<Uuid> = row.get(2)?;
    let parent = match parent {
        Some(parent) => Some(ParentLink {
            task: TaskId::from_uuid(parent),
            position: CallPosition(row.large_count(3)?),
        }),
        None => None,
    };
    let execution: Option<Uuid> = row.get(1)?;
    let class = lane_class(row.get(4)?);
    let timeout: Option<i64> = row.get(19)?;
    Ok(Task {
        id,
        execution: execution.map_or(id.as_root(), ExecutionId::from_uuid),
        parent,
        function: lane.function.clone(),
        queue: lane.queue.clone(),
        priority: lane.priority,
        state: state(&row)?,
        fence: Fence {
            token: FencingToken(row.get(10)?),
            mark: ClaimMark(row.get(11)?),
        },
        commits: row.count(12)?,
        failed_attempts: row.count(13)?,
        crashes: Crashes {
            total: row.count(14)?,
            as_suspect: row.count(15)?,
        },
        holds_slot: class.holds_slot,
        cancel_requested: row.get(16)?,
        operations: row.count(17)?,
        deliveries: Ordinal(row.large_count(18)?),
        timeout: timeout.map(from_micros),
        attempt_ends: row.maybe_time(24)?,
        deadline: row.maybe_time(20)?,
        queued_at: row.time(21)?,
        created_at: row.time(22)?,
    })
}

fn state(row: &Reading<'_>) -> Result<State, Fault> {
    let code: i16 = row.get(5)?;
    let kind = StateKind::from_code(code.into()).map_err(|error| row.bad(error))?;
    Ok(match kind {
        StateKind::Pending => State::Pending {
            run_at: row.time(6)?,
        },
        StateKind::Running => {
            let holder: &str = row.get(8)?;
            State::Running {
                holder: WorkerName::new(holder).map_err(|error| row.bad(error))?,
                expires_at: row.time(7)?,
            }
        }
        StateKind::Suspended => State::Suspended {
            wake_at: row.maybe_time(6)?,
        },
        StateKind::Completed => State::Completed { at: row.time(9)? },
        StateKind::Failed => State::Failed { at: row.time(9)? },
        StateKind::TimedOut => State::TimedOut { at: row.time(9)? },
        StateKind::Cancelled => State::Cancelled { at: row.time(9)? },
    })
}

/// Reads a history entry, without its outcome, and the task that it belongs to.
pub(crate) fn entry(row: &Row) -> Result<(TaskId, EntryHead), Fault> {
    let row = Reading::new(row, "history");
    let key: Option<&str> = row.get(2)?;
    let key = key
        .map(CallKey::new)
        .transpose()
        .map_err(|error| row.bad(error))?;
    let kind: i16 = row.get(3)?;
    let stored = StoredOperation {
        kind: OperationKind::from_code(kind.into()).map_err(|error| row.bad(error))?,
        name: row.get(4)?,
        number: row.get(5)?,
    };
    let child: Option<Uuid> = row.get(7)?;
    let signal: Option<Uuid> = row.get(10)?;
    let ordinal: Option<i64> = row.get(11)?;
    let ordinal = match ordinal {
        Some(_) => Some(Ordinal(row.large_count(11)?)),
        None => None,
    };
    let resolved = outcome_kind(&row)?.map(|kind| Resolved {
        completed: kind == OutcomeKind::Completed,
        ordinal,
    });
    let head = EntryHead {
        position: CallPosition(row.large_count(1)?),
        key,
        operation: Operation::try_from(stored).map_err(|error| row.bad(error))?,
        after: Ordinal(row.large_count(6)?),
        child: child.map(TaskId::from_uuid),
        wake_at: row.maybe_time(8)?,
        abandoned: row.get(9)?,
        signal: signal.map(SignalId::from_uuid),
        resolved,
    };
    Ok((row.task_id(0)?, head))
}

/// Reads which outcome a history entry has.
pub(crate) fn entry_kind(row: &Row) -> Result<Option<OutcomeKind>, Fault> {
    outcome_kind(&Reading::new(row, "history"))
}

fn outcome_kind(row: &Reading<'_>) -> Result<Option<OutcomeKind>, Fault> {
    let code: Option<i16> = row.get(12)?;
    code.map(|code| OutcomeKind::from_code(code.into()))
        .transpose()
        .map_err(|error| row.bad(error))
}

/// Reads the outcome of a history entry, from the column after the entry's.
pub(crate) fn entry_outcome(row: &Row) -> Result<Option<Outcome>, Fault> {
    let row = Reading::new(row, "history");
    let Some(kind) = outcome_kind(&row)? else {
        return Ok(None);
    };
    Outcome::from_stored(kind, row.get(ENTRY_COLUMNS)?)
        .map(Some)
        .map_err(|error| row.bad(error))
}

/// The outcome of a task that ended, by its state and the text in a column.
pub(crate) fn task_outcome(
    row: &Row,
    state: StateKind,
    column: usize,
) -> Result<Option<Outcome>, Fault> {
    if !state.is_terminal() {
        return Ok(None);
    }
    let row = Reading::new(row, "task_rows");
    OutcomeKind::from_code(state.code())
        .and_then(|kind| Outcome::from_stored(kind, row.get(column).ok().flatten()))
        .map(Some)
        .map_err(|error| row.bad(error))
}

/// A count as its column keeps it.
pub(crate) fn column(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A code as its column keeps it.
pub(crate) fn code(code: i64) -> i16 {
    i16::try_from(code).unwrap_or(i16::MAX)
}

/// Who holds a task in a state, if anybody does.
pub(crate) fn holder(state: &State) -> Option<String> {
    match state {
        State::Running { holder, .. } => Some(holder.as_str().to_owned()),
        State::Pending { .. }
        | State::Suspended { .. }
        | State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => None,
    }
}

/// Reads a history entry with its outcome, and the task that it belongs to.
pub(crate) fn history_entry(row: &Row) -> Result<(TaskId, HistoryEntry), Fault> {
    let (task, head) = entry(row)?;
    let outcome = entry_outcome(row)?;
    Ok((task, HistoryEntry { head, outcome }))
}
