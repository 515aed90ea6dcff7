//! Deleting executions that ended long ago, with all their rows.

use std::collections::{HashMap, HashSet};

use stent_core::{
    Timestamp,
    defaults::{CLEANUP_ROWS, WORKER_LISTED},
    retention::{self, Portion},
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

/// A task that goes.
#[derive(Clone, Copy)]
struct Member {
    id: Uuid,
    execution: Uuid,
    is_leased: bool,
    /// Its row, and those of its history.
    rows: usize,
}

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
        let mut portion = Portion::new(self.limit);
        let is_cut = match retention::cutoff(now, self.retention) {
            Some(cutoff) => {
                session
                    .delete_expired(cutoff, self.limit, &mut portion)
                    .await?
            }
            None => false,
        };
        let (executions, more) = (portion.executions(), is_cut || portion.more());
        let listed_since = now.saturating_sub(WORKER_LISTED).as_micros();
        session.query(Sql::DeleteWorkers, &[&listed_since]).await?;
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

    /// Deletes the oldest executions that ended before an instant and of which no task is leased, as many as fit; whether others were left unread
    /// because these have many rows.
    async fn delete_expired(
        &self,
        cutoff: Timestamp,
        limit: u32,
        portion: &mut Portion,
    ) -> Result<bool, Fault> {
        let parameters = (cutoff.as_micros(), i64::from(limit));
        let rows = self
            .query(Sql::ListExpired, &[&parameters.0, &parameters.1])
            .await?;
        let roots: Vec<Member> = rows.iter().map(root).collect::<Result<_, Fault>>()?;
        if roots.is_empty() {
            return Ok(false);
        }
        let ids: Vec<Uuid> = roots.iter().map(|root| root.id).collect();
        let mut members = self.members(&ids, Some(CLEANUP_ROWS)).await?;
        let mut whole = roots.len();
        if members.len() >= CLEANUP_ROWS
            && let Some(last) = members.last()
        {
            // Of the last one, some may be missing.
            whole = ids.iter().position(|id| *id == last.execution).unwrap_or(0);
        }
        if whole == 0 {
            members = self.members(&ids[..1], None).await?;
            whole = 1;
        }
        let whole = &roots[..whole];
        let mut rows: HashMap<Uuid, usize> = HashMap::new();
        let mut held: HashSet<Uuid> = HashSet::new();
        for member in whole.iter().chain(&members) {
            let rows = rows.entry(member.execution).or_default();
            *rows = rows.saturating_add(member.rows);
            if member.is_leased {
                held.insert(member.execution);
            }
        }
        let free = whole.iter().filter(|root| !held.contains(&root.id));
        let fit = free.take_while(|root| portion.take(rows[&root.id]));
        let going: HashSet<Uuid> = fit.map(|root| root.id).collect();
        let all = members.iter().chain(whole);
        let tasks: Vec<Member> = all
            .filter(|member| going.contains(&member.execution))
            .copied()
            .collect();
        self.delete(&tasks, going.into_iter().collect()).await?;
        Ok(whole.len() < roots.len())
    }

    /// Deletes tasks, and what belongs to executions as a whole.
    async fn delete(&self, tasks: &[Member], executions: Vec<Uuid>) -> Result<(), Fault> {
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
        for ids in in_portions(tasks) {
            let by_task = by_task.map(|sql| Call::new(sql).with(ids.clone()));
            self.pipeline(Frame::Middle, &by_task).await?;
        }
        let by_execution = by_execution.map(|sql| Call::new(sql).with(executions.clone()));
        self.pipeline(Frame::Middle, &by_execution).await.map(drop)
    }

    /// The children of executions, so many at most.
    async fn members(&self, roots: &[Uuid], limit: Option<usize>) -> Result<Vec<Member>, Fault> {
        let limit = limit.and_then(|limit| i64::try_from(limit).ok());
        let rows = self.query(Sql::ListMembers, &[&roots, &limit]).await?;
        rows.iter().map(child).collect()
    }
}

/// The ids of tasks, in portions that one statement deletes in time.
fn in_portions(tasks: &[Member]) -> Vec<Vec<Uuid>> {
    let mut portions: Vec<Vec<Uuid>> = Vec::new();
    let mut left: usize = 0;
    for task in tasks {
        match portions.last_mut() {
            Some(portion) if task.rows <= left => portion.push(task.id),
            _ => {
                portions.push(vec![task.id]);
                left = CLEANUP_ROWS;
            }
        }
        left = left.saturating_sub(task.rows);
    }
    portions
}

fn root(row: &tokio_postgres::Row) -> Result<Member, Fault> {
    let row = Reading::new(row, "task_rows");
    let id = row.get(0)?;
    Ok(Member {
        id,
        execution: id,
        is_leased: false,
        rows: rows_of(row.get(1)?),
    })
}

fn child(row: &tokio_postgres::Row) -> Result<Member, Fault> {
    let row = Reading::new(row, "task_rows");
    Ok(Member {
        id: row.get(0)?,
        execution: row.get(1)?,
        is_leased: row.get(2)?,
        rows: rows_of(row.get(3)?),
    })
}

/// The rows of a task that began so many operations; of a number that is none, its own.
fn rows_of(operations: i32) -> usize {
    retention::rows_of(u32::try_from(operations).unwrap_or_default())
}
