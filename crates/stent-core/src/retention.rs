//! What is old enough to be deleted.

use std::time::Duration;

use crate::{Task, Timestamp, defaults, store::CleanupRequest};

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

/// The rows of a task that began so many operations: its own, and those of its history.
#[must_use]
pub fn rows_of(operations: u32) -> usize {
    usize::try_from(operations)
        .unwrap_or(usize::MAX)
        .saturating_add(1)
}

/// What one cleanup deletes: as many executions as it was asked for, unless they have so many rows together that its transaction would be a long
/// one.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    limit: u32,
    executions: u32,
    rows: usize,
    is_cut: bool,
}

impl Portion {
    /// An empty one that may have so many executions.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self {
            limit,
            executions: 0,
            rows: 0,
            is_cut: false,
        }
    }

    /// Whether it has as many executions as were asked for.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.executions >= self.limit
    }

    /// Whether an execution with so many rows may go too. The first one always may.
    const fn has_room(&self, rows: usize) -> bool {
        self.executions == 0 || self.rows.saturating_add(rows) <= defaults::CLEANUP_ROWS
    }

    /// Takes an execution with so many rows, if there is room; if not, this portion ends here.
    #[must_use]
    pub const fn take(&mut self, rows: usize) -> bool {
        if self.is_full() || !self.has_room(rows) {
            self.is_cut = true;
            return false;
        }
        self.executions = self.executions.saturating_add(1);
        self.rows = self.rows.saturating_add(rows);
        true
    }

    /// The executions that it took.
    #[must_use]
    pub const fn executions(&self) -> u32 {
        self.executions
    }

    /// Whether there may be more to delete.
    #[must_use]
    pub const fn more(&self) -> bool {
        self.is_cut || self.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_ends_at_its_executions_or_its_rows_and_takes_one_at_least() {
        let taken = |limit, rows: &[usize]| {
            let mut portion = Portion::new(limit);
            let all = rows.iter().all(|rows| portion.take(*rows));
            assert!(all || portion.more());
            (portion.executions(), portion.more())
        };
        let most = defaults::CLEANUP_ROWS;
        assert_eq!(taken(3, &[1, 1]), (2, false));
        assert_eq!(taken(2, &[1, 1]), (2, true));
        assert_eq!(taken(2, &[1, 1, 1]), (2, true));
        assert_eq!(taken(0, &[1]), (0, true));
        assert_eq!(taken(9, &[most - 1, 1]), (2, false));
        assert_eq!(taken(9, &[most - 1, 2, 1]), (1, true));
        assert_eq!(taken(9, &[usize::MAX, 1]), (1, true));
        assert_eq!(taken(9, &[usize::MAX]), (1, false));
        assert_eq!(rows_of(3), 4);
    }

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
