use crate::{Epoch, Fence, Ordinal, TaskId, Timestamp, WorkerName, lease::LeaseDuration};

/// A worker's sign of life, with the leases that it wants extended.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// The worker.
    pub worker: WorkerReport,
    /// How long the leases run from now.
    pub duration: LeaseDuration,
    /// The leases, at most [`crate::defaults::BATCH_MAX`]; may be none.
    pub leases: Vec<(TaskId, Fence)>,
}

/// What a worker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerReport {
    /// Its name.
    pub name: WorkerName,
    /// Bodies that it can run at once.
    pub capacity: u32,
    /// Tasks that it holds a lease on.
    pub leased: u32,
    /// Whether it takes no further tasks.
    pub draining: bool,
}

/// What became of each lease, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewAnswer {
    /// The store's time.
    pub now: Timestamp,
    /// One for each.
    pub leases: Vec<RenewResult>,
    /// The store's epoch. Tasks that were claimed in another one are to be given back.
    pub epoch: Epoch,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewResult {
    /// It was extended.
    Renewed {
        /// Until when.
        expires_at: Timestamp,
        /// The newest ordinal of the task's history: more than the holder has seen means that there is news.
        deliveries: Ordinal,
        /// Whether the body should stop, because the task is to be cancelled.
        cancel_requested: bool,
    },
    /// It is not held any more.
    LeaseLost,
}
