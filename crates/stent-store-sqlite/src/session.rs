//! What the writer's thread has at hand within a transaction: prepared statements, and what it knows of the database.
//!
//! **Invariant:** what is kept in memory equals the database: it is dropped when another connection has written since
//! ([`Session::refresh`]), and when anything is undone ([`Session::forget`]).

use std::collections::HashMap;

use rusqlite::Connection;
use stent_core::{
    FunctionName, Hint, TaskId, Timestamp,
    boot::Boot,
    limit::{Limit, Limits},
};
use uuid::Uuid;

use crate::{
    clock::StoreClock,
    error::Fault,
    lanes::Lanes,
    rows::{self, Stored},
    statements::{Sql, Statements},
    write::align::Starts,
};

/// Tasks that are kept in memory, some 5 MB of them. Beyond them the memory begins anew.
const KNOWN_MAX: usize = 16_384;

/// The writer's side of a connection.
pub(crate) struct Session<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) sql: Statements<'c>,
    pub(crate) lanes: Lanes,
    /// What is to be told once the transaction is committed. Nothing is collected while nobody listens.
    hints: Vec<Hint>,
    heard: bool,
    limits: HashMap<FunctionName, Limits>,
    /// Tasks that were saved last: those that are leased, and those that wait for them.
    known: HashMap<TaskId, Stored>,
    /// The greatest id of a child.
    newest_child: Option<TaskId>,
    data_version: i64,
    loaded: bool,
    /// When tasks that only wait for each other were looked for last.
    pub(crate) deadlocks_looked_for_at: Option<Timestamp>,
    pub(crate) clock: StoreClock,
    pub(crate) starts: Starts,
}

impl<'c> Session<'c> {
    pub(crate) fn new(connection: &'c Connection, clock: StoreClock) -> Result<Self, Fault> {
        let mut session = Self {
            connection,
            sql: Statements::new(connection),
            lanes: Lanes::default(),
            hints: Vec::new(),
            heard: false,
            limits: HashMap::new(),
            known: HashMap::new(),
            newest_child: None,
            data_version: 0,
            loaded: false,
            deadlocks_looked_for_at: None,
            clock,
            starts: Starts::default(),
        };
        session.data_version = session.read_data_version()?;
        Ok(session)
    }

    /// The store's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now(self.starts.counted_from.as_ref())
    }

    fn read_data_version(&mut self) -> Result<i64, Fault> {
        let statement = self.sql.get(Sql::ReadDataVersion)?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Whether another connection has written since this was asked last. If so, what was known is dropped; but lanes only come, and never change.
    pub(crate) fn foreign_writes(&mut self) -> Result<bool, Fault> {
        let version = self.read_data_version()?;
        if version == self.data_version {
            return Ok(false);
        }
        self.data_version = version;
        self.loaded = false;
        self.known.clear();
        Ok(true)
    }

    /// Within a transaction that has just begun: makes what is known equal to the database. `heard` is whether anyone listens for hints.
    pub(crate) fn refresh(&mut self, heard: bool) -> Result<(), Fault> {
        self.heard = heard;
        if self.foreign_writes()? {
            self.hint(|| Hint::Anything);
        }
        self.load()
    }

    /// Reads what was forgotten.
    pub(crate) fn load(&mut self) -> Result<(), Fault> {
        if !self.loaded {
            self.lanes.catch_up(&mut self.sql)?;
            self.limits = load_limits(&mut self.sql)?;
            self.starts.recorded = load_boot(&mut self.sql)?;
            let newest: Option<[u8; 16]> = self
                .sql
                .get(Sql::NewestChild)?
                .query_row([], |row| row.get(0))?;
            self.newest_child = newest.map(|id| TaskId::from_uuid(Uuid::from_bytes(id)));
            self.loaded = true;
        }
        Ok(())
    }

    /// Drops what is known of the database, because some of it was undone.
    pub(crate) fn forget(&mut self) {
        self.loaded = false;
        self.known.clear();
        self.lanes = Lanes::default();
    }

    /// Notes something to be told once the transaction is committed.
    pub(crate) fn hint(&mut self, hint: impl FnOnce() -> Hint) {
        if self.heard {
            self.hints.push(hint());
        }
    }

    /// How many hints are noted, to come back to by [`Session::drop_hints`].
    pub(crate) fn hints_noted(&self) -> usize {
        self.hints.len()
    }

    /// Drops the hints that were noted since.
    pub(crate) fn drop_hints(&mut self, noted: usize) {
        self.hints.truncate(noted);
    }

    /// What is to be told.
    pub(crate) fn take_hints(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.hints)
    }

    /// The limits of a function, if it was declared or limited before.
    pub(crate) fn limits(&self, function: &FunctionName) -> Option<Limits> {
        self.limits.get(function).copied()
    }

    /// The limit of a function that counts.
    pub(crate) fn limit(&self, function: &FunctionName) -> Option<Limit> {
        self.limits.get(function)?.effective()
    }

    /// Knows other limits of a function from now on; they were saved.
    pub(crate) fn set_limits(&mut self, function: FunctionName, limits: Limits) {
        self.limits.insert(function, limits);
    }

    /// Whether there may be a child of an id: not if all are older, as they mostly are than a root that is new.
    pub(crate) fn may_be_child(&self, id: TaskId) -> bool {
        self.newest_child.is_some_and(|newest| id <= newest)
    }

    /// Knows of a child that was made.
    pub(crate) fn know_child(&mut self, id: TaskId) {
        self.newest_child = self.newest_child.max(Some(id));
    }

    /// A task that is known.
    pub(crate) fn known(&self, id: TaskId) -> Option<&Stored> {
        self.known.get(&id)
    }

    /// Knows no task any more: some were deleted.
    pub(crate) fn forget_tasks(&mut self) {
        self.known.clear();
    }

    /// Knows a task from now on as it was saved; one that ended is not asked for again.
    pub(crate) fn know(&mut self, stored: &Stored) {
        if stored.task.state.kind().is_terminal() {
            self.known.remove(&stored.task.id);
            return;
        }
        match self.known.get_mut(&stored.task.id) {
            Some(known) => known.clone_from(stored),
            None => {
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(stored.task.id, stored.clone());
            }
        }
    }

    /// Runs a statement that is prepared and knows its parameters; the number of rows that it changed.
    pub(crate) fn execute(
        &mut self,
        sql: Sql,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, Fault> {
        Ok(self.sql.get(sql)?.execute(parameters)?)
    }
}

/// Reads the machine's start that is recorded.
fn load_boot(sql: &mut Statements<'_>) -> Result<Option<Boot>, Fault> {
    let mut rows = sql.get(Sql::ReadBoot)?.raw_query();
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let id = rows::text(row, 0, "boot", 1)?;
    let at = Timestamp::from_micros(row.get(1)?);
    Ok(Some(Boot { id: id.into(), at }))
}

/// Reads every function's limits. What has an impossible name is left out: no task can be one of its.
pub(crate) fn load_limits(
    sql: &mut Statements<'_>,
) -> Result<HashMap<FunctionName, Limits>, Fault> {
    let mut limits = HashMap::new();
    let mut rows = sql.get(Sql::ListLimits)?.raw_query();
    while let Some(row) = rows.next()? {
        let name = rows::text(row, 0, "functions", 0).and_then(|name| {
            FunctionName::new(name).map_err(|error| Fault::Row {
                table: "functions",
                row: 0,
                what: error.to_string(),
            })
        });
        match name {
            Ok(name) => {
                let (declared, by_operator) = (row.get(1)?, row.get(3)?);
                let releases = row.get::<_, i64>(2)? != 0;
                limits.insert(name, Limits::from_stored(declared, releases, by_operator));
            }
            Err(error @ (Fault::Row { .. } | Fault::Value(_))) => {
                tracing::warn!(%error, "a function's limits cannot be read and are left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(limits)
}
