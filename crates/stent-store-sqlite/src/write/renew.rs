//! Extending leases, and workers' signs of life.

use rusqlite::params;
use stent_core::{
    Timestamp, lease,
    store::{RenewAnswer, RenewRequest, RenewResult, WorkerReport},
};

use super::EPOCH;
use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

impl Session<'_> {
    /// Extends leases, and keeps the worker's report.
    pub(crate) fn renew(&mut self, request: &RenewRequest) -> Result<RenewAnswer, Fault> {
        let now = self.now();
        self.save_worker(&request.worker, now)?;
        let mut leases = Vec::with_capacity(request.leases.len());
        for &(id, fence) in &request.leases {
            let renewed = self.find(id)?.and_then(|Stored { seq, task }| {
                let transition = lease::renew(task, fence, request.duration, now).ok()?;
                let expires_at = transition.task.state.lease_expires_at()?;
                Some((seq, transition.task, expires_at))
            });
            let Some((seq, task, expires_at)) = renewed else {
                leases.push(RenewResult::LeaseLost);
                continue;
            };
            self.execute(Sql::Renew, params![seq, expires_at.as_micros()])?;
            leases.push(RenewResult::Renewed {
                expires_at,
                deliveries: task.deliveries,
                cancel_requested: task.cancel_requested,
            });
            self.know(&Stored { seq, task });
        }
        Ok(RenewAnswer {
            now,
            leases,
            epoch: EPOCH,
        })
    }

    pub(super) fn save_worker(
        &mut self,
        worker: &WorkerReport,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.execute(
            Sql::SaveWorker,
            params![
                worker.name.as_str(),
                worker.capacity,
                worker.leased,
                worker.draining,
                now.as_micros()
            ],
        )
        .map(drop)
    }
}
