//! Loading and saving tasks.

use std::{collections::HashSet, fmt::Write as _};

use rusqlite::{OptionalExtension as _, Row, ToSql, params};
use stent_core::{Outcome, Payload, Task, TaskId, Timestamp, time::micros};

use crate::{
    error::Fault,
    lanes::Lanes,
    rows::{self, StateColumns, Stored},
    session::Session,
    statements::Sql,
};

/// Inputs up to this many bytes stand in their task's row. That spares a row and a read for most tasks; a longer one would make each
/// rewriting of the row dearer than that.
const INLINE_INPUT_BYTES: usize = 512;

/// Roots that one statement makes.
pub(super) const ROOTS_AT_ONCE: usize = 16;

/// Reads a task whose lane is among those known.
pub(super) fn read(row: &Row<'_>, lanes: &Lanes) -> Result<Stored, Fault> {
    rows::task(row, lanes.known(rows::lane_of(row)?)?)
}

impl Session<'_> {
    /// A task by its id.
    pub(super) fn find(&mut self, id: TaskId) -> Result<Option<Stored>, Fault> {
        if let Some(stored) = self.known(id) {
            return Ok(Some(stored.clone()));
        }
        match self.query_task(Sql::FindRoot, id)? {
            Some(stored) => Ok(Some(stored)),
            None => self.query_task(Sql::FindChild, id),
        }
    }

    /// A root task by its id.
    pub(super) fn find_root(&mut self, id: TaskId) -> Result<Option<Stored>, Fault> {
        match self.known(id) {
            Some(stored) => Ok(stored.task.is_root().then(|| stored.clone())),
            None => self.query_task(Sql::FindRoot, id),
        }
    }

    fn query_task(&mut self, sql: Sql, id: TaskId) -> Result<Option<Stored>, Fault> {
        let lanes = &self.lanes;
        let statement = self.sql.get(sql)?;
        statement
            .query_row([&id.as_bytes()[..]], |row| Ok(read(row, lanes)))
            .optional()?
            .transpose()
    }

    /// Tasks that a statement lists; one that cannot be read is left out.
    pub(super) fn list(
        &mut self,
        sql: Sql,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Stored>, Fault> {
        let lanes = &self.lanes;
        let mut rows = self.sql.get(sql)?.query(parameters)?;
        let mut tasks = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row, lanes) {
                Ok(stored) => tasks.push(stored),
                Err(error @ (Fault::Row { .. } | Fault::Value(_))) => {
                    tracing::warn!(%error, "a task cannot be read and is left alone");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tasks)
    }

    /// Makes a root that waits; the number of its row, or `None` when its id exists.
    pub(super) fn insert_root(
        &mut self,
        task: &Task,
        input: &Payload,
    ) -> Result<Option<i64>, Fault> {
        if self.is_child(task.id)? {
            return Ok(None);
        }
        let lane = self.lane_number(task)?;
        let inserted = self.execute(
            Sql::InsertRoot,
            params![
                &task.id.as_bytes()[..],
                lane,
                task.queued_at.as_micros(),
                task.timeout.map(micros),
                task.deadline.map(Timestamp::as_micros),
                task.created_at.as_micros(),
                inline(input),
            ],
        )?;
        self.inserted(inserted, input)
    }

    /// Makes [`ROOTS_AT_ONCE`] roots that wait and whose inputs are small, by one statement; which of them were made.
    pub(super) fn insert_roots(&mut self, roots: &[(Task, Payload)]) -> Result<Vec<bool>, Fault> {
        let mut next = 1;
        for (task, input) in roots {
            let lane = self.lane_number(task)?;
            let statement = self.sql.get(Sql::InsertRoots)?;
            let values: [&dyn ToSql; 8] = [
                &&task.id.as_bytes()[..],
                &lane,
                &task.queued_at.as_micros(),
                &task.timeout.map(micros),
                &task.deadline.map(Timestamp::as_micros),
                &task.queued_at.as_micros(),
                &task.created_at.as_micros(),
                &input.as_str(),
            ];
            for value in values {
                statement.raw_bind_parameter(next, value)?;
                next += 1;
            }
        }
        let inserted = self.sql.get(Sql::InsertRoots)?.raw_execute()?;
        if inserted == roots.len() {
            return Ok(vec![true; inserted]);
        }
        // The new rows are the last ones. Of an id that was given twice the first made one.
        let last = self.connection.last_insert_rowid();
        let first = last.saturating_sub(i64::try_from(inserted).unwrap_or(i64::MAX));
        let mut seen = HashSet::new();
        let mut made = Vec::with_capacity(roots.len());
        for (task, _) in roots {
            let row = self.find_root(task.id)?.map(|stored| stored.seq);
            let is_new = inserted > 0 && row.is_some_and(|row| row > first);
            made.push(is_new && seen.insert(task.id));
        }
        Ok(made)
    }

    /// Whether a root may be made together with others: what it needs is known beforehand.
    pub(super) fn fits_among_roots(&mut self, task: &Task, input: &Payload) -> Result<bool, Fault> {
        Ok(inline(input).is_some() && !self.is_child(task.id)?)
    }

    /// Makes a child; nothing, when its id exists.
    pub(super) fn insert_child(&mut self, task: &Task, input: &Payload) -> Result<(), Fault> {
        if self.is_there(Sql::IsRoot, task.id)? {
            return Ok(());
        }
        let lane = self.lane_number(task)?;
        let columns = StateColumns::from(&task.state);
        let inserted = self.execute(
            Sql::InsertChild,
            params![
                &task.id.as_bytes()[..],
                &task.execution.as_bytes()[..],
                task.parent
                    .as_ref()
                    .map(|parent| &parent.task.as_bytes()[..]),
                task.parent.map(|parent| parent.position.0),
                lane,
                task.holds_slot,
                columns.code,
                columns.due_at,
                columns.lease_expires_at,
                columns.holder,
                task.fence.token.0,
                task.fence.mark.0,
                task.timeout.map(micros),
                task.deadline.map(Timestamp::as_micros),
                task.queued_at.as_micros(),
                task.created_at.as_micros(),
                inline(input),
            ],
        )?;
        if let Some(seq) = self.inserted(inserted, input)? {
            self.know_child(task.id);
            let task = task.clone();
            self.know(&Stored { seq, task });
        }
        Ok(())
    }

    /// Whether there is a child of an id.
    fn is_child(&mut self, id: TaskId) -> Result<bool, Fault> {
        Ok(self.may_be_child(id) && self.is_there(Sql::IsChild, id)?)
    }

    fn is_there(&mut self, sql: Sql, id: TaskId) -> Result<bool, Fault> {
        Ok(self.sql.get(sql)?.exists([&id.as_bytes()[..]])?)
    }

    /// Keeps a large input of the task that was just inserted, if one was; the number of its row.
    fn inserted(&mut self, inserted: usize, input: &Payload) -> Result<Option<i64>, Fault> {
        if inserted == 0 {
            return Ok(None);
        }
        let seq = self.connection.last_insert_rowid();
        if inline(input).is_none() {
            self.execute(Sql::InsertInput, params![seq, input.as_str()])?;
        }
        Ok(Some(seq))
    }

    /// The number of a task's lane, which is made if it is new.
    fn lane_number(&mut self, task: &Task) -> Result<i64, Fault> {
        self.lanes.number(&mut self.sql, task)
    }

    /// Keeps what a rule made of a task, with its outcome if it ended.
    pub(super) fn save(
        &mut self,
        seq: i64,
        before: &Task,
        task: Task,
        outcome: Option<&Outcome>,
    ) -> Result<(), Fault> {
        match outcome {
            Some(outcome) => self.save_end(seq, &task, outcome)?,
            None if goes_on(before, &task) => {
                self.execute(
                    Sql::GoOn,
                    params![seq, task.commits, task.operations, task.deliveries.0],
                )?;
            }
            None => self.save_all(seq, &task)?,
        }
        self.know(&Stored { seq, task });
        Ok(())
    }

    fn save_end(&mut self, seq: i64, task: &Task, outcome: &Outcome) -> Result<(), Fault> {
        let lane = self.lane_number(task)?;
        let text = outcome.stored_text();
        self.execute(
            Sql::End,
            params![
                seq,
                lane,
                task.state.kind().code(),
                task.state.ended_at().map(Timestamp::as_micros),
                task.commits,
                task.failed_attempts,
                task.crashes.total,
                task.crashes.as_suspect,
                task.operations,
                task.deliveries.0,
                text,
            ],
        )
        .map(drop)
    }

    fn save_all(&mut self, seq: i64, task: &Task) -> Result<(), Fault> {
        let lane = self.lane_number(task)?;
        let columns = StateColumns::from(&task.state);
        self.execute(
            Sql::Save,
            params![
                seq,
                lane,
                task.holds_slot,
                columns.code,
                columns.due_at,
                columns.lease_expires_at,
                columns.holder,
                columns.ended_at,
                task.fence.token.0,
                task.fence.mark.0,
                task.commits,
                task.failed_attempts,
                task.crashes.total,
                task.crashes.as_suspect,
                task.cancel_requested,
                task.operations,
                task.deliveries.0,
                task.deadline.map(Timestamp::as_micros),
                task.queued_at.as_micros(),
                task.attempt_ends.map(Timestamp::as_micros),
            ],
        )
        .map(drop)
    }

    /// Keeps leases that one claim gave on tasks of one lane, by one statement: so they differ in nothing but their tokens, each of which
    /// is the one after the row's.
    pub(super) fn save_claims<'t>(
        &mut self,
        leased: impl Iterator<Item = &'t Stored> + Clone,
    ) -> Result<(), Fault> {
        let Some(Stored { task, .. }) = leased.clone().next() else {
            return Ok(());
        };
        let lane = self.lane_number(task)?;
        let columns = StateColumns::from(&task.state);
        let rows = as_json(leased.clone().map(|stored| stored.seq));
        self.execute(
            Sql::Claim,
            params![
                rows,
                lane,
                task.holds_slot,
                columns.lease_expires_at,
                columns.holder,
                task.fence.mark.0,
            ],
        )?;
        for stored in leased {
            self.know(stored);
        }
        Ok(())
    }

    /// A task's arguments.
    pub(super) fn input(&mut self, seq: i64) -> Result<Payload, Fault> {
        let statement = self.sql.get(Sql::ReadInput)?;
        statement.query_row([seq], |row| {
            Ok(rows::text(row, 0, "inputs", seq).map(Payload::from_stored))
        })?
    }
}

/// An input as it stands in its task's row, if it does.
fn inline(input: &Payload) -> Option<&str> {
    Some(input.as_str()).filter(|text| text.len() <= INLINE_INPUT_BYTES)
}

/// Rows' numbers as a JSON array.
fn as_json(rows: impl Iterator<Item = i64>) -> String {
    let mut json = String::from("[");
    for row in rows {
        let comma = if json.len() > 1 { "," } else { "" };
        // Writing to a string does not fail.
        write!(json, "{comma}{row}").unwrap_or_default();
    }
    json.push(']');
    json
}

/// Whether only that has changed which no index looks at: the holder of a lease goes on, or a task is given one more outcome.
fn goes_on(before: &Task, after: &Task) -> bool {
    before.state == after.state
        && before.fence == after.fence
        && before.class() == after.class()
        && before.cancel_requested == after.cancel_requested
        && before.failed_attempts == after.failed_attempts
        && before.crashes == after.crashes
        && before.deadline == after.deadline
        && before.attempt_ends == after.attempt_ends
        && before.queued_at == after.queued_at
}
