//! Histories of tasks.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    HistoryEntry, TaskId,
    store::{HistoryRequest, TaskHistory},
};

use crate::{error::Fault, reader::Snapshot, rows, statements::Sql};

impl Snapshot<'_> {
    /// Histories, whole or from an ordinal on.
    pub(crate) fn histories(
        &mut self,
        requests: &[HistoryRequest],
    ) -> Result<Vec<TaskHistory>, Fault> {
        requests
            .iter()
            .map(|request| {
                let entries = match self.row_of(request.task)? {
                    Some(seq) => self.entries(seq, request)?,
                    None => Vec::new(),
                };
                Ok(TaskHistory {
                    task: request.task,
                    entries,
                })
            })
            .collect()
    }

    fn entries(&mut self, seq: i64, request: &HistoryRequest) -> Result<Vec<HistoryEntry>, Fault> {
        let mut rows = if request.whole {
            self.sql.get(Sql::ReadHistory)?.query([seq])?
        } else {
            let statement = self.sql.get(Sql::ReadDeliveries)?;
            statement.query(params![seq, request.after.0])?
        };
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(HistoryEntry {
                head: rows::entry(row, seq)?,
                outcome: rows::entry_outcome(row, seq)?,
            });
        }
        Ok(entries)
    }

    /// The number of a task's row.
    pub(super) fn row_of(&mut self, id: TaskId) -> Result<Option<i64>, Fault> {
        for sql in [Sql::FindRoot, Sql::FindChild] {
            let statement = self.sql.get(sql)?;
            let seq = statement
                .query_row([&id.as_bytes()[..]], |row| row.get(0))
                .optional()?;
            if seq.is_some() {
                return Ok(seq);
            }
        }
        Ok(None)
    }
}
