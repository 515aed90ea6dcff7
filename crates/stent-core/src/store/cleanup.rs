use std::time::Duration;

use crate::Timestamp;

/// What to delete.
#[derive(Clone, Copy, Debug)]
pub struct CleanupRequest {
    /// How long executions are kept after they ended.
    pub retention: Duration,
    /// Executions deleted at most by this call.
    pub limit: u32,
    /// How often the fleet cleans up. `None` does it now, whatever the schedule says, and leaves the schedule alone.
    pub interval: Option<Duration>,
}

/// What a cleanup did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupAnswer {
    /// It deleted so many executions; when there may be more, call again.
    Deleted {
        /// Executions that are gone.
        executions: u32,
        /// Whether the limit was reached, or as many rows as one short transaction deletes.
        more: bool,
    },
    /// The fleet's next cleanup is due later.
    NotDue {
        /// When.
        next_at: Timestamp,
    },
}
