//! What is old enough to be deleted.

use std::time::Duration;

use crate::{Task, Timestamp, store::CleanupRequest};

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

/// When a cleanup is due instead, if it is too early by the fleet's schedule. One without an interval asks for no schedule.
#[must_use]
pub fn too_early(
    request: &CleanupRequest,
    scheduled: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    scheduled.filter(|next_at| request.interval.is_some() && now < *next_at)
}

/// When the fleet's next cleanup is due after one that began at an instant; `None` leaves the schedule alone. While there is more to delete it
/// stays due, so that whoever asks next goes on.
#[must_use]
pub fn next_cleanup(request: &CleanupRequest, began: Timestamp, more: bool) -> Option<Timestamp> {
    let interval = request.interval.filter(|_| !more)?;
    Some(began.saturating_add(interval))
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

    #[test]
    fn a_fleet_cleans_up_once_per_interval_and_goes_on_while_there_is_more() {
        let request = |interval| CleanupRequest {
            retention: Duration::ZERO,
            limit: 1,
            interval,
        };
        let now = Timestamp::from_micros(1_000_000);
        let hourly = request(Some(Duration::from_secs(3_600)));
        let next_at = next_cleanup(&hourly, now, false).unwrap();
        assert_eq!(next_at.as_micros(), 3_601_000_000);
        assert_eq!(next_cleanup(&hourly, now, true), None);
        assert_eq!(too_early(&hourly, None, now), None);
        assert_eq!(too_early(&hourly, Some(next_at), now), Some(next_at));
        assert_eq!(too_early(&hourly, Some(next_at), next_at), None);

        let at_once = request(None);
        assert_eq!(too_early(&at_once, Some(next_at), now), None);
        assert_eq!(next_cleanup(&at_once, now, false), None);
    }
}
