//! Looking after tasks whose lease ran out or whose deadline passed.
//!
//! **Invariant:** an execution that somebody else is at is left for the next time, so that nobody waits here; and what is left, however much it is, keeps
//! nothing behind it from being looked after.

use std::collections::{BTreeSet, HashSet};

use stent_core::{
    CallPosition, ExecutionId, State, TaskId, cancel, defaults,
    lease::{self, CrashLimit},
    store::StolenTask,
};

use super::{commit::place_of, histories::Wanted, tasks::uuids, verb::Verb};
use crate::{
    fault::Fault, pipeline::Frame, rows::Reading, session::Session, shared::Place, statements::Sql,
};

/// Takes over what ran out, then ends what is overdue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) crash_limit: CrashLimit,
}

#[async_trait::async_trait]
impl Verb for Sweep {
    type Answer = Vec<StolenTask>;
    const NAME: &'static str = "claim";

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<StolenTask>, Fault> {
        let (_, now) = session.pipeline_with_now(Frame::Begin, Vec::new()).await?;
        session.now = now;
        let leases = session.free(Sql::ListPassedLeases).await?;
        let deadlines = session.free(Sql::ListPassedDeadlines).await?;
        let stolen = session.take_over(&leases, self.crash_limit).await?;
        session.end_overdue(&deadlines).await?;
        Ok(stolen)
    }
}

/// An entry of a history.
type HistoryPlace = (TaskId, CallPosition);

fn passed(row: &tokio_postgres::Row) -> Result<(TaskId, Place), Fault> {
    let row = Reading::new(row, "task_rows");
    Ok((row.task_id(0)?, place_of(&row)?))
}

/// Where a listing goes on: behind its last row.
fn behind(row: &tokio_postgres::Row) -> Result<(i64, i64), Fault> {
    let row = Reading::new(row, "task_rows");
    Ok((row.get(4)?, row.get(5)?))
}

impl Session<'_> {
    /// As many tasks as one sweep looks after, whose executions are locked now: of what a listing holds, those that nobody is at and that can be read.
    /// proven by races::a_takeover_looks_behind_all_that_others_hold
    async fn free(&mut self, listing: Sql) -> Result<Vec<(TaskId, Place)>, Fault> {
        let enough = usize::try_from(defaults::SWEEP_BATCH).unwrap_or(usize::MAX);
        let limit = i64::from(defaults::SWEEP_BATCH);
        let mut after = (i64::MIN, i64::MIN);
        let mut free = Vec::new();
        loop {
            let rows = self
                .query(
                    listing,
                    &[&self.now.as_micros(), &limit, &after.0, &after.1],
                )
                .await?;
            let page: Vec<(TaskId, Place)> =
                rows.iter().map(passed).collect::<Result<_, Fault>>()?;
            let unreadable = self.lock_free(page.iter()).await?;
            free.extend(page.into_iter().filter(|(id, place)| {
                let call = place.parent.map(|link| (link.task, link.position));
                let is_readable = call.is_none_or(|call| !unreadable.contains(&call));
                is_readable && self.swept(*id, place).is_some()
            }));
            match rows.last() {
                Some(last) if rows.len() >= enough && free.len() < enough => after = behind(last)?,
                _ => return Ok(free),
            }
        }
    }

    /// Locks those executions of some tasks that nobody is at, and reads the tasks, their callers and the calls. Answers the calls that cannot be read.
    async fn lock_free<'p>(
        &mut self,
        tasks: impl Iterator<Item = &'p (TaskId, Place)> + Clone,
    ) -> Result<HashSet<HistoryPlace>, Fault> {
        let executions: BTreeSet<ExecutionId> = tasks
            .clone()
            .map(|(_, place)| place.execution)
            .filter(|execution| !self.locked.contains(execution))
            .collect();
        let wanted = uuids(executions.iter().map(|execution| execution.root()));
        let rows = self.query(Sql::LockFreeRoots, &[&wanted]).await?;
        let locked: Result<HashSet<ExecutionId>, Fault> = rows
            .iter()
            .map(|row| Ok(Reading::new(row, "task_rows").task_id(0)?.as_root()))
            .collect();
        self.locked.extend(locked?);
        let mut calls = Vec::new();
        let mut all: BTreeSet<TaskId> = self.locked.iter().map(|one| one.root()).collect();
        for (task, place) in tasks {
            if self.locked.contains(&place.execution) {
                all.insert(*task);
                if let Some(parent) = &place.parent {
                    all.insert(parent.task);
                    calls.push((parent.task, parent.position));
                }
            }
        }
        let all: Vec<TaskId> = all.into_iter().collect();
        self.find_all(&all).await?;
        match self.read_calls(calls.clone()).await {
            Ok(()) => Ok(HashSet::new()),
            Err(Fault::Row { .. }) => self.read_calls_one_by_one(calls).await,
            Err(error) => Err(error),
        }
    }

    async fn read_calls(&mut self, entries: Vec<HistoryPlace>) -> Result<(), Fault> {
        self.read_histories(Wanted {
            entries,
            ..Wanted::default()
        })
        .await
    }

    /// Reads calls of which some cannot be read, and answers those: their children are left alone, and hold nobody else up.
    async fn read_calls_one_by_one(
        &mut self,
        calls: Vec<HistoryPlace>,
    ) -> Result<HashSet<HistoryPlace>, Fault> {
        let mut unreadable = HashSet::new();
        for call in calls {
            match self.read_calls(vec![call]).await {
                Ok(()) => {}
                Err(error @ Fault::Row { .. }) => {
                    tracing::warn!(%error, "a call cannot be read; its child is left alone");
                    unreadable.insert(call);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(unreadable)
    }

    /// Takes tasks from holders whose lease ran out.
    async fn take_over(
        &mut self,
        passed: &[(TaskId, Place)],
        crash_limit: CrashLimit,
    ) -> Result<Vec<StolenTask>, Fault> {
        let mut stolen = Vec::new();
        for (id, place) in passed {
            // What an earlier one's end led to may have changed this one.
            let Some(task) = self.swept(*id, place) else {
                continue;
            };
            let State::Running { holder, .. } = &task.state else {
                continue;
            };
            let from = holder.clone();
            if let Ok(transition) = lease::ran_out(task, crash_limit, self.now) {
                stolen.push(StolenTask {
                    task: *id,
                    from,
                    crashes: transition.task.crashes.total,
                });
                self.apply(transition).await?;
            }
        }
        Ok(stolen)
    }

    /// Ends tasks that nobody runs and whose deadline passed.
    async fn end_overdue(&mut self, passed: &[(TaskId, Place)]) -> Result<(), Fault> {
        for (id, place) in passed {
            if let Some(task) = self.swept(*id, place)
                && let Ok(transition) = cancel::deadline_passed(task, self.now)
            {
                self.apply(transition).await?;
            }
        }
        Ok(())
    }

    /// A task as it is now, if its execution is locked.
    fn swept(&self, id: TaskId, place: &Place) -> Option<stent_core::Task> {
        if self.locked.contains(&place.execution) {
            self.tasks.get(id).cloned()
        } else {
            None
        }
    }
}
