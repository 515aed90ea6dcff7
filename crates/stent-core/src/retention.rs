//! What is old enough to be deleted.

use std::time::Duration;

use crate::{Task, Timestamp};

/// Executions that ended before this instant are older than the retention period; `None` when it is too long to subtract: then all are kept.
#[must_use]
pub fn cutoff(now: Timestamp, retention: Duration) -> Option<Timestamp> {
    now.checked_sub(retention)
}

/// Whether an execution, by its root task, may be deleted: terminal, and ended before the cutoff. The caller also checks that no task below it is
/// still leased, so that nothing is deleted under a body that runs.
#[must_use]
pub fn is_expired(root: &Task, cutoff: Timestamp) -> bool {
    root.is_root() && root.state.ended_at().is_some_and(|at| at < cutoff)
}

/// When the next cleanup of a fleet is due after one that began at an instant.
#[must_use]
pub fn next_cleanup(began: Timestamp, interval: Duration) -> Timestamp {
    began.saturating_add(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_too_long_to_subtract_keeps_everything() {
        let now = Timestamp::from_micros(1_000_000);
        assert_eq!(cutoff(now, Duration::MAX), None);
        assert_eq!(cutoff(now, Duration::from_secs(2)), None);
        assert_eq!(cutoff(now, Duration::ZERO), Some(now));
    }
}
