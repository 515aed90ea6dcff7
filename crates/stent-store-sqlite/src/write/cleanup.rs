//! Deleting executions that ended long ago, with all their rows.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    Timestamp, retention,
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
        for execution in &expired {
            self.delete_execution(execution)?;
        }
        if !expired.is_empty() {
            self.forget_tasks();
        }
        let executions = u32::try_from(expired.len()).unwrap_or(u32::MAX);
        let more = executions >= request.limit;
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

    fn delete_execution(&mut self, expired: &Expired) -> Result<(), Fault> {
        let root = expired.seq;
        let mut tasks = vec![root];
        let statement = self.sql.get(Sql::ListRowsOfExecution)?;
        let mut rows = statement.query([&expired.id[..]])?;
        while let Some(row) = rows.next()? {
            tasks.push(row.get(0)?);
        }
        drop(rows);
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
