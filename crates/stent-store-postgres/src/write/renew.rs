//! Extending leases, and workers' signs of life.

use std::collections::BTreeSet;

use stent_core::{
    ExecutionId, TaskId, lease,
    store::{RenewAnswer, RenewRequest, RenewResult, WorkerReport},
};

use super::{tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    session::Session,
    statements::Sql,
};

#[async_trait::async_trait]
impl Verb for RenewRequest {
    type Answer = RenewAnswer;
    const NAME: &'static str = "renew";

    async fn run(&self, session: &mut Session<'_>) -> Result<RenewAnswer, Fault> {
        let ids = self.leases.iter().map(|(id, _)| *id);
        let places = session.places(ids.clone()).await?;
        let executions: BTreeSet<ExecutionId> =
            places.values().map(|place| place.execution).collect();
        let tasks: BTreeSet<TaskId> = ids
            .filter(|id| !executions.contains(&id.as_root()))
            .collect();
        let roots = uuids(executions.iter().map(|execution| execution.root()));
        let calls = vec![
            Call::new(Sql::LockTasks).with(roots),
            Call::new(Sql::LockTasks).with(uuids(tasks.iter().copied())),
        ];
        let (answers, now) = session.pipeline_with_now(Frame::Begin, calls).await?;
        session.now = now;
        for rows in answers {
            session.know_tasks(&rows).await?;
        }
        session.tasks.no_others(tasks.into_iter());
        session.save_worker(&self.worker).await?;
        let leases = self
            .leases
            .iter()
            .map(|(id, fence)| {
                let task = session.tasks.get(*id).cloned();
                let renewed =
                    task.and_then(|task| lease::renew(task, *fence, self.duration, now).ok());
                let Some(renewed) = renewed else {
                    return RenewResult::LeaseLost;
                };
                let task = renewed.task;
                let Some(expires_at) = task.state.lease_expires_at() else {
                    return RenewResult::LeaseLost;
                };
                let result = RenewResult::Renewed {
                    expires_at,
                    deliveries: task.deliveries,
                    cancel_requested: task.cancel_requested,
                };
                session.save(task, None);
                result
            })
            .collect();
        let epoch = session.connection.epoch();
        Ok(RenewAnswer { now, leases, epoch })
    }
}

impl Session<'_> {
    /// Keeps a worker's report.
    pub(crate) async fn save_worker(&self, worker: &WorkerReport) -> Result<(), Fault> {
        self.query(
            Sql::SaveWorker,
            &[
                &worker.name.as_str(),
                &i64::from(worker.capacity),
                &i64::from(worker.leased),
                &worker.draining,
                &self.now.as_micros(),
            ],
        )
        .await
        .map(drop)
    }
}
