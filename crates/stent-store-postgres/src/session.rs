//! One transaction: what it has read, what it has changed, and how that is saved at its end.
//!
//! Rows are read and locked in bulk at the beginning; what turns up later is read when it is asked for. Changes are kept here, where the rest
//! of the transaction sees them, and are written together, one statement per table.
//!
//! **Invariant:** what is kept here of an execution stays true until the transaction's end, because its root is locked.

use std::collections::{HashMap, HashSet};

use stent_core::{ExecutionId, FunctionName, Hint, TaskId, Timestamp};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    pool::{Connection, Statement},
    shared::Shared,
    statements::Sql,
    write::{Changes, FunctionSlots, Histories, Mailboxes},
};

/// A parameter of a statement.
pub(crate) type Parameter<'p> = &'p (dyn ToSql + Sync);

/// A connection within a transaction.
pub(crate) struct Session<'s> {
    pub(crate) connection: &'s Connection,
    pub(crate) shared: &'s Shared,
    /// The store's time, once it was read.
    pub(crate) now: Timestamp,
    pub(crate) tasks: Changes,
    pub(crate) histories: Histories,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) functions: HashMap<FunctionName, FunctionSlots>,
    /// Executions whose roots are locked.
    pub(crate) locked: HashSet<ExecutionId>,
    /// Children that had not ended when they were looked up, in the order of their making.
    pub(crate) children: HashMap<TaskId, Vec<TaskId>>,
    /// Whether the request was done by statements that need no commit any more. A failure from then on is no news of the request.
    pub(crate) is_finished: bool,
    hints: Vec<Hint>,
}

impl<'s> Session<'s> {
    pub(crate) fn new(connection: &'s Connection, shared: &'s Shared) -> Self {
        Self {
            connection,
            shared,
            now: Timestamp::MIN,
            tasks: Changes::default(),
            histories: Histories::default(),
            mailboxes: Mailboxes::default(),
            functions: HashMap::new(),
            locked: HashSet::new(),
            children: HashMap::new(),
            is_finished: false,
            hints: Vec::new(),
        }
    }

    /// A statement, prepared once per connection.
    pub(crate) async fn prepare(&self, sql: Sql) -> Result<Statement, Fault> {
        let text = self.shared.statements.text(sql);
        Ok(self.connection.prepared(text).await?)
    }

    /// Runs a statement that was prepared.
    pub(crate) async fn run(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Fault> {
        Ok(self.connection.run(statement, parameters).await?)
    }

    /// Prepares and runs a statement.
    pub(crate) async fn query(
        &self,
        sql: Sql,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Fault> {
        let statement = self.prepare(sql).await?;
        self.run(&statement, parameters).await
    }

    /// Sends statements together, and reads the store's time after them.
    pub(crate) async fn pipeline_with_now(
        &self,
        frame: Frame,
        mut calls: Vec<Call>,
    ) -> Result<(Vec<Vec<Row>>, Timestamp), Fault> {
        if let Some(clock) = &self.shared.clock {
            let answers = self.pipeline(frame, &calls).await?;
            return Ok((answers, clock.now()));
        }
        calls.push(Call::new(Sql::ReadNow));
        let mut answers = self.pipeline(frame, &calls).await?;
        let now = answers.pop().unwrap_or_default();
        let now = now
            .first()
            .map(|row| row.try_get::<_, i64>(0))
            .transpose()?;
        Ok((answers, Timestamp::from_micros(now.unwrap_or_default())))
    }

    /// Notes something to be told once the transaction is committed.
    pub(crate) fn hint(&mut self, hint: Hint) {
        self.hints.push(hint);
    }

    /// What is to be told.
    pub(crate) fn take_hints(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.hints)
    }
}
