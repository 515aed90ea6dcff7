//! A claim whose commit was sent and not answered: which tasks it leased after all.
//!
//! Else they would stand still until their leases run out, and count as lost with their worker.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use stent_core::{
    Epoch, State, StoreError, TaskId, Timestamp,
    commit::TaskCommit,
    lease::LeaseTerms,
    store::{ClaimAnswer, ClaimedTask},
};

use super::{claim::with_histories, tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    session::Session,
    shared::Shared,
    statements::Sql,
};

/// How long it is tried to find out: a server that restarts is back by then, and a claim that waits for a connection may take as long.
const RESOLVE_FOR: Duration = Duration::from_secs(10);
/// Between two tries.
const RESOLVE_PAUSE: Duration = Duration::from_millis(100);

/// The tasks that are to be leased, and what the claim answers beside them.
type Noted = (Vec<TaskId>, ClaimAnswer);

/// What a claim is about to commit, to be known when its answer is lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsure(Arc<Mutex<Option<Noted>>>);

impl Unsure {
    /// Notes the tasks that are to be leased, and what the claim answers beside them.
    pub(crate) fn set(&self, tasks: Vec<TaskId>, answer: ClaimAnswer) {
        // What is kept under this lock is whole after each statement.
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some((tasks, answer));
    }

    /// Notes that nothing is about to be leased.
    pub(crate) fn clear(&self) {
        self.take();
    }

    fn take(&self) -> Option<Noted> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.take()
    }
}

impl Shared {
    /// What a claim led to whose outcome is unknown: its answer, with commits for what cannot be run.
    ///
    /// # Errors
    /// As before, if that cannot be found out either; as retryable, if nothing was leased.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        unknown: StoreError,
        unsure: &Unsure,
        terms: &LeaseTerms,
    ) -> Result<(ClaimAnswer, Vec<TaskCommit>), StoreError> {
        let Some((tasks, answer)) = unsure
            .take()
            .filter(|_| matches!(unknown, StoreError::OutcomeUnknown { .. }))
        else {
            return Err(unknown);
        };
        let asking = async {
            loop {
                let resolve = Resolve {
                    tasks: tasks.clone(),
                    terms: terms.clone(),
                };
                match self.write(resolve).await {
                    Err(error) if error.is_retryable() => {
                        tokio::time::sleep(RESOLVE_PAUSE).await;
                    }
                    resolved => return resolved.ok(),
                }
            }
        };
        let resolved = tokio::time::timeout(RESOLVE_FOR, asking).await;
        let Some(resolved) = resolved.ok().flatten() else {
            return Err(unknown);
        };
        if resolved.tasks.is_empty() && resolved.unreadable.is_empty() {
            return Err(StoreError::Retryable {
                what: "`claim` lost its connection, and nothing was leased".to_owned(),
                source: Some(Box::new(unknown)),
            });
        }
        let later = |at: Option<Timestamp>| at.filter(|at| *at > resolved.now);
        let answer = ClaimAnswer {
            now: resolved.now,
            tasks: resolved.tasks,
            epoch: resolved.epoch,
            next_due: later(answer.next_due),
            next_sweep: later(answer.next_sweep),
            ..answer
        };
        Ok((answer, resolved.unreadable))
    }
}

/// Looks which of some tasks a claim leased. It waits for the claim's own transaction, if the server is still at it.
struct Resolve {
    tasks: Vec<TaskId>,
    terms: LeaseTerms,
}

/// What a claim leased.
struct Resolved {
    now: Timestamp,
    epoch: Epoch,
    tasks: Vec<ClaimedTask>,
    /// Of what cannot be run: how it is to end.
    unreadable: Vec<TaskCommit>,
}

#[async_trait::async_trait]
impl Verb for Resolve {
    type Answer = Resolved;
    const NAME: &'static str = "claim";

    async fn run(&self, session: &mut Session<'_>) -> Result<Resolved, Fault> {
        let ids = self.tasks.iter().copied();
        let places = session.places(ids.clone()).await?;
        let mut executions: Vec<_> = places.values().map(|place| place.execution).collect();
        executions.sort_unstable();
        executions.dedup();
        session
            .lock(Frame::Begin, executions, self.tasks.clone())
            .await?;
        let calls = vec![Call::new(Sql::ReadHistories).with(uuids(ids.clone()))];
        let (mut answers, now) = session.pipeline_with_now(Frame::Middle, calls).await?;
        session.now = now;
        let mut inputs = session.inputs(&self.tasks).await?;
        let leased = ids.filter_map(|id| {
            let task = session.tasks.get(id)?;
            let State::Running { holder, .. } = &task.state else {
                return None;
            };
            let is_ours = *holder == self.terms.holder
                && task.fence.mark == self.terms.mark
                && task.commits == 0;
            is_ours.then(|| Some((task.clone(), inputs.remove(&id)?)))?
        });
        let leased = leased.collect();
        let epoch = session.connection.epoch();
        let (tasks, unreadable) = with_histories(leased, answers.pop().unwrap_or_default(), epoch);
        Ok(Resolved {
            now,
            epoch,
            tasks,
            unreadable,
        })
    }
}
