//! Deleting executions that ended long ago, with all their rows.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    Timestamp, defaults, retention,
    store::{CleanupAnswer, CleanupRequest},
};

use crate::{error::Fault, session::Session, statements::Sql};

/// An execution that may go: its root.
struct Expired {
    seq: i64,
    id: [u8; 16],
}

impl Session<'_> {
    /// Deletes executions, if it is time.
    pub(crate) fn clean_up(&mut self, request: &CleanupRequest) -> Result<CleanupAnswer, Fault> {
        let now = self.now();
        let scheduled = self.next_cleanup()?;
        if let Some(next_at) = retention::too_early(request, scheduled, now) {
            return Ok(CleanupAnswer::NotDue { next_at });
        }
        let expired = match retention::cutoff(now, request.retention) {
            Some(cutoff) => self.expired(cutoff, request.limit)?,
            None => Vec::new(),
        };
        let (mut executions, mut rows) = (0_u32, 0);
        for execution in &expired {
            rows += self.delete_execution(execution)?;
            executions = executions.saturating_add(1);
            if rows >= defaults::CLEANUP_ROWS {
                break;
            }
        }
        if executions > 0 {
            self.forget_tasks();
        }
        let more = executions >= request.limit || rows >= defaults::CLEANUP_ROWS;
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

    /// The oldest executions that ended before an instant and of which no task is leased.
    fn expired(&mut self, cutoff: Timestamp, limit: u32) -> Result<Vec<Expired>, Fault> {
        let statement = self.sql.get(Sql::ListExpired)?;
        let mut rows = statement.query(params![cutoff.as_micros(), limit])?;
        let mut expired = Vec::new();
        while let Some(row) = rows.next()? {
            expired.push(Expired {
                seq: row.get(0)?,
                id: row.get(1)?,
            });
        }
        Ok(expired)
    }

    /// Deletes all of an execution; how many rows of tasks and histories it had.
    fn delete_execution(&mut self, expired: &Expired) -> Result<usize, Fault> {
        let root = expired.seq;
        let mut tasks = vec![root];
        let statement = self.sql.get(Sql::ListRowsOfExecution)?;
        let mut rows = statement.query([&expired.id[..]])?;
        while let Some(row) = rows.next()? {
            tasks.push(row.get(0)?);
        }
        drop(rows);
        let mut deleted = tasks.len();
        for task in tasks {
            deleted = deleted.saturating_add(self.execute(Sql::DeleteHistory, [task])?);
            for statement in [Sql::DeleteSignalWaits, Sql::DeleteInput, Sql::DeleteTask] {
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
        Ok(deleted)
    }
}
