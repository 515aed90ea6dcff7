//! What a worker has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since a worker started.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    claimed: AtomicU64,
    ended: AtomicU64,
    commits: AtomicU64,
    writes: AtomicU64,
    stolen: AtomicU64,
    leases_lost: AtomicU64,
    store_failures: AtomicU64,
}

/// What a worker has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Tasks that it claimed, children that it started itself included.
    pub claimed: u64,
    /// Tasks that it ended.
    pub ended: u64,
    /// Commits that it sent: each is one transaction.
    pub commits: u64,
    /// Writes of tasks in these commits.
    pub writes: u64,
    /// Tasks that it took from workers whose lease ran out.
    pub stolen: u64,
    /// Leases that it lost itself.
    pub leases_lost: u64,
    /// Calls of the store that failed and were sent again.
    pub store_failures: u64,
}

fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Stats {
    pub(crate) fn claimed(&self, tasks: usize) {
        add(&self.claimed, tasks);
    }

    pub(crate) fn ended(&self) {
        add(&self.ended, 1);
    }

    pub(crate) fn committed(&self, writes: usize) {
        add(&self.commits, 1);
        add(&self.writes, writes);
    }

    pub(crate) fn stole(&self, tasks: usize) {
        add(&self.stolen, tasks);
    }

    pub(crate) fn lease_lost(&self) {
        add(&self.leases_lost, 1);
    }

    pub(crate) fn store_failed(&self) {
        add(&self.store_failures, 1);
    }

    pub(crate) fn read(&self) -> WorkerStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerStats {
            claimed: get(&self.claimed),
            ended: get(&self.ended),
            commits: get(&self.commits),
            writes: get(&self.writes),
            stolen: get(&self.stolen),
            leases_lost: get(&self.leases_lost),
            store_failures: get(&self.store_failures),
        }
    }
}
