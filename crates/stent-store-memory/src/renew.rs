//! Extending leases, and workers' signs of life.

use stent_core::{
    Fence, TaskId, lease,
    lease::LeaseDuration,
    store::{RenewAnswer, RenewRequest, RenewResult, WorkerRecord, WorkerReport},
};

use crate::store::Transaction;

impl Transaction<'_> {
    /// Extends leases, and keeps the worker's report.
    pub(crate) fn renew(&mut self, request: RenewRequest) -> RenewAnswer {
        self.save_worker(request.worker);
        let leases = request.leases.into_iter();
        RenewAnswer {
            leases: leases
                .map(|(task, fence)| self.renew_one(task, fence, request.duration))
                .map(|renewed| renewed.unwrap_or(RenewResult::LeaseLost))
                .collect(),
            now: self.now,
            epoch: self.epoch,
        }
    }

    fn renew_one(
        &mut self,
        task: TaskId,
        fence: Fence,
        duration: LeaseDuration,
    ) -> Option<RenewResult> {
        let task = self.tables.row(task)?.task.clone();
        let transition = lease::renew(task, fence, duration, self.now).ok()?;
        let answer = RenewResult::Renewed {
            expires_at: transition.task.state.lease_expires_at()?,
            deliveries: transition.task.deliveries,
            cancel_requested: transition.task.cancel_requested,
        };
        self.apply(transition);
        Some(answer)
    }

    pub(crate) fn save_worker(&mut self, report: WorkerReport) {
        let known = self.tables.workers.get(&report.name);
        let record = WorkerRecord {
            since: known.map_or(self.now, |known| known.since),
            seen_at: self.now,
            report,
        };
        let name = record.report.name.clone();
        self.tables.workers.insert(name, record);
    }
}
