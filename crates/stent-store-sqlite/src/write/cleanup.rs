//! Deleting executions that ended long ago, with all their rows.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    Timestamp,
    defaults::WORKER_LISTED,
    retention::{self, Portion},
    store::{CleanupAnswer, CleanupRequest},
};

use crate::{error::Fault, session::Session, statements::Sql};

/// An execution that ended: its root.
struct Expired {
    seq: i64,
    id: [u8; 16],
    operations: u32,
    ended_at: i64,
}

/// What is in the way of deleting an execution.
enum Held {
    /// A task of it is still leased.
    Leased,
    /// It has more rows than may still go.
    Large,
}

impl Session<'_> {
    /// Deletes executions, if it is time, and reports of workers that are listed no more.
    pub(crate) fn clean_up(&mut self, request: &CleanupRequest) -> Result<CleanupAnswer, Fault> {
        let now = self.now();
        let scheduled = self.next_cleanup()?;
        if let Some(next_at) = retention::too_early(request, scheduled, now) {
            return Ok(CleanupAnswer::NotDue { next_at });
        }
        let listed_since = now.saturating_sub(WORKER_LISTED);
        self.execute(Sql::DeleteWorkers, [listed_since.as_micros()])?;
        let mut portion = Portion::new(request.limit);
        if let Some(cutoff) = retention::cutoff(now, request.retention) {
            self.delete_expired(cutoff, request.limit, &mut portion)?;
        }
        let (executions, more) = (portion.executions(), portion.more());
        if executions > 0 {
            self.forget_tasks();
        }
        if let Some(next_at) = retention::next_cleanup(request, now, more) {
            self.execute(Sql::SaveSchedule, [next_at.as_micros()])?;
        }
        Ok(CleanupAnswer::Deleted { executions, more })
    }

    fn next_cleanup(&mut self) -> Result<Option<Timestamp>, Fault> {
        let statement = self.sql.get(Sql::ReadSchedule)?;
        let next_at = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(next_at.map(Timestamp::from_micros))
    }

    /// Deletes the oldest executions that ended before an instant and of which no task is leased, as many as fit.
    fn delete_expired(
        &mut self,
        cutoff: Timestamp,
        limit: u32,
        portion: &mut Portion,
    ) -> Result<(), Fault> {
        let mut last = (i64::MIN, i64::MIN);
        while !portion.is_full() {
            let expired = self.expired(cutoff, last, limit)?;
            let Some(Expired { seq, ended_at, .. }) = expired.last() else {
                return Ok(());
            };
            last = (*ended_at, *seq);
            for execution in &expired {
                match self.rows_of_execution(execution, portion)? {
                    Ok(rows) => self.delete_execution(execution.seq, &rows)?,
                    Err(Held::Leased) => {}
                    Err(Held::Large) => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Roots that ended before an instant, in the order of their ends, behind one of them.
    fn expired(
        &mut self,
        cutoff: Timestamp,
        (ended_at, seq): (i64, i64),
        limit: u32,
    ) -> Result<Vec<Expired>, Fault> {
        let statement = self.sql.get(Sql::ListExpired)?;
        let mut rows = statement.query(params![cutoff.as_micros(), ended_at, seq, limit])?;
        let mut expired = Vec::new();
        while let Some(row) = rows.next()? {
            expired.push(Expired {
                seq: row.get(0)?,
                id: row.get(1)?,
                operations: row.get(2)?,
                ended_at: row.get(3)?,
            });
        }
        Ok(expired)
    }

    /// The rows of an execution's tasks, if the portion takes it.
    fn rows_of_execution(
        &mut self,
        root: &Expired,
        portion: &mut Portion,
    ) -> Result<Result<Vec<i64>, Held>, Fault> {
        let mut tasks = vec![root.seq];
        let mut all = retention::rows_of(root.operations);
        let statement = self.sql.get(Sql::ListRowsOfExecution)?;
        let mut rows = statement.query([&root.id[..]])?;
        while let Some(row) = rows.next()? {
            if row.get(2)? {
                return Ok(Err(Held::Leased));
            }
            tasks.push(row.get(0)?);
            all = all.saturating_add(retention::rows_of(row.get(1)?));
        }
        Ok(if portion.take(all) {
            Ok(tasks)
        } else {
            Err(Held::Large)
        })
    }

    fn delete_execution(&mut self, root: i64, tasks: &[i64]) -> Result<(), Fault> {
        for task in tasks {
            for statement in [
                Sql::DeleteHistory,
                Sql::DeleteSignalWaits,
                Sql::DeleteInput,
                Sql::DeleteTask,
            ] {
                self.execute(statement, [task])?;
            }
        }
        for statement in [
            Sql::DeleteSignals,
            Sql::DeleteTags,
            Sql::DeleteIdempotencyKey,
        ] {
            self.execute(statement, [root])?;
        }
        Ok(())
    }
}
