//! Deleting executions that ended long ago, with all their rows.

use std::collections::HashSet;

use stent_core::{
    Timestamp, retention,
    store::{CleanupAnswer, CleanupRequest},
};
use uuid::Uuid;

use super::verb::Verb;
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::Reading,
    session::Session,
    statements::Sql,
};

#[async_trait::async_trait]
impl Verb for CleanupRequest {
    type Answer = CleanupAnswer;
    const NAME: &'static str = "clean_up";

    async fn run(&self, session: &mut Session<'_>) -> Result<CleanupAnswer, Fault> {
        let (_, now) = session.pipeline_with_now(Frame::Begin, Vec::new()).await?;
        session.now = now;
        let scheduled = session.next_cleanup().await?;
        if let Some(next_at) = retention::too_early(self, scheduled, now) {
            return Ok(CleanupAnswer::NotDue { next_at });
        }
        let executions = match retention::cutoff(now, self.retention) {
            Some(cutoff) => session.delete_expired(cutoff, self.limit).await?,
            None => 0,
        };
        let more = executions >= self.limit;
        if let Some(next_at) = retention::next_cleanup(self, now, more) {
            let next_at = next_at.as_micros();
            session.query(Sql::SaveSchedule, &[&next_at]).await?;
        }
        Ok(CleanupAnswer::Deleted { executions, more })
    }
}

impl Session<'_> {
    async fn next_cleanup(&self) -> Result<Option<Timestamp>, Fault> {
        let rows = self.query(Sql::ReadSchedule, &[]).await?;
        let row = rows.first();
        row.map(|row| Reading::new(row, "cleanup_schedule").time(0))
            .transpose()
    }

    /// Deletes the oldest executions that ended before an instant and of which no task is leased; how many.
    async fn delete_expired(&self, cutoff: Timestamp, limit: u32) -> Result<u32, Fault> {
        let parameters = (cutoff.as_micros(), i64::from(limit));
        let rows = self
            .query(Sql::ListExpired, &[&parameters.0, &parameters.1])
            .await?;
        let roots = ids(&rows, 0)?;
        if roots.is_empty() {
            return Ok(0);
        }
        let rows = self.query(Sql::ListMembers, &[&roots]).await?;
        let mut tasks = Vec::with_capacity(rows.len());
        let mut held = HashSet::new();
        for row in &rows {
            let row = Reading::new(row, "task_rows");
            let (task, execution): (Uuid, Uuid) = (row.get(0)?, row.get(1)?);
            tasks.push((task, execution));
            if row.get(2)? {
                held.insert(execution);
            }
        }
        let roots: Vec<Uuid> = roots
            .into_iter()
            .filter(|one| !held.contains(one))
            .collect();
        let members = tasks
            .iter()
            .filter(|(_, execution)| !held.contains(execution));
        let mut tasks: Vec<Uuid> = members.map(|(task, _)| *task).collect();
        tasks.extend(&roots);
        let by_task = [
            Sql::DeleteHistoryOf,
            Sql::DeleteSignalWaitsOf,
            Sql::DeleteTasksOf,
        ];
        let by_execution = [
            Sql::DeleteSignalsOf,
            Sql::DeleteTagsOf,
            Sql::DeleteIdempotencyKeysOf,
        ];
        let by_task = by_task.map(|sql| Call::new(sql).with(tasks.clone()));
        let by_execution = by_execution.map(|sql| Call::new(sql).with(roots.clone()));
        let calls: Vec<Call> = by_task.into_iter().chain(by_execution).collect();
        self.pipeline(Frame::Middle, &calls).await?;
        Ok(u32::try_from(roots.len()).unwrap_or(u32::MAX))
    }
}

fn ids(rows: &[tokio_postgres::Row], column: usize) -> Result<Vec<Uuid>, Fault> {
    rows.iter()
        .map(|row| Reading::new(row, "task_rows").get(column))
        .collect()
}
