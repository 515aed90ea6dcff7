//! Leases on one machine go by its boot clock, which nobody sets: what its processes do when the wall clock is set, or when the machine was
//! started anew.
//!
//! A store that only one machine uses counts its time from the machine's start, and records when that was by the wall clock. When the wall clock
//! is set, the start seems to have moved: the store moves every lease by as much, so that each runs for as long as it would have.
//! When the machine was started anew, whoever held a lease is gone, and so is the lease.

use std::{sync::Arc, time::Duration};

use crate::{Timestamp, time};

/// How far the recorded start may be from the one that is seen before the wall clock counts as set. A store's time is off by this at most.
pub const TOLERANCE: Duration = Duration::from_millis(10);

/// Starts that are closer together than this are the same, whatever their ids: no machine runs for so short a time before it starts anew, and some
/// containers make up an id of their own (systemd-nspawn: <https://systemd.io/CONTAINER_INTERFACE/>).
pub const SAME_START: Duration = Duration::from_secs(5);

/// A start of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Another for every start (on Linux `/proc/sys/kernel/random/boot_id`).
    pub id: Arc<str>,
    /// When it was: the wall clock's time, less what the boot clock counted.
    pub at: Timestamp,
}

/// What a process makes of the start that is recorded, and of the one that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Alignment {
    /// They are the same. Time is counted from the recorded one.
    Same,
    /// None was recorded. The one that is seen is to be.
    New,
    /// The wall clock was set: all leases are to be moved by so many microseconds, and the start that is seen is to be recorded.
    ClockSet {
        /// Negative when it was set back.
        by: i64,
    },
    /// The machine was started anew: all leases have ended, and the start that is seen is to be recorded.
    StartedAnew,
    /// Two machines use the store at once. Nothing is to be recorded, and time is that of the own wall clock.
    TwoMachines,
}

/// Compares the start that is recorded with the one that is seen. `known` is the id of the recorded one when this process last found them the same.
///
/// ```
/// # use stent_core::{Timestamp, boot::{Alignment, Boot, align}};
/// let at = |seconds: i64| Boot { id: "b7a1".into(), at: Timestamp::from_micros(seconds * 1_000_000) };
/// assert_eq!(align(Some(&at(500)), &at(500), None), Alignment::Same);
/// // The wall clock went back by an hour.
/// assert_eq!(align(Some(&at(5_000)), &at(1_400), None), Alignment::ClockSet { by: -3_600_000_000 });
/// ```
pub fn align(recorded: Option<&Boot>, seen: &Boot, known: Option<&str>) -> Alignment {
    let Some(recorded) = recorded else {
        return Alignment::New;
    };
    let by = seen.at.as_micros().saturating_sub(recorded.at.as_micros());
    let apart = by.unsigned_abs();
    let within = |span: Duration| apart <= time::micros(span).unsigned_abs();
    if within(TOLERANCE) {
        Alignment::Same
    } else if recorded.id == seen.id || known == Some(&*recorded.id) || within(SAME_START) {
        Alignment::ClockSet { by }
    } else if known.is_none() {
        Alignment::StartedAnew
    } else {
        Alignment::TwoMachines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn boot(id: &str, seconds: i64) -> Boot {
        Boot {
            id: id.into(),
            at: Timestamp::from_micros(seconds * 1_000_000),
        }
    }

    fn set(seconds: i64) -> Alignment {
        Alignment::ClockSet {
            by: seconds * 1_000_000,
        }
    }

    #[test]
    fn the_first_process_records_the_start() {
        assert_eq!(align(None, &boot("a", 9), None), Alignment::New);
    }

    #[test]
    fn a_difference_as_small_as_measuring_makes_is_none() {
        let recorded = boot("a", 9);
        let seen = |micros| Boot {
            at: Timestamp::from_micros(9_000_000 + micros),
            ..recorded.clone()
        };
        for micros in [-10_000, 0, 10_000] {
            assert_eq!(align(Some(&recorded), &seen(micros), None), Alignment::Same);
        }
        for by in [-10_001, 10_001] {
            let expected = Alignment::ClockSet { by };
            assert_eq!(align(Some(&recorded), &seen(by), None), expected);
        }
    }

    #[test]
    fn a_clock_that_is_set_moves_leases_by_as_much() {
        let recorded = boot("a", 10 * HOUR);
        for hours in [-9, -1, 1, 1_000_000] {
            let seen = boot("a", (10 + hours) * HOUR);
            for known in [None, Some("a")] {
                assert_eq!(align(Some(&recorded), &seen, known), set(hours * HOUR));
            }
        }
    }

    #[test]
    fn another_start_is_known_by_its_id_and_its_time() {
        let recorded = boot("a", 10 * HOUR);
        for seconds in [20 * HOUR, 9 * HOUR, 10 * HOUR + 6] {
            let verdict = align(Some(&recorded), &boot("b", seconds), None);
            assert_eq!(verdict, Alignment::StartedAnew);
        }
    }

    #[test]
    fn a_container_with_an_id_of_its_own_is_no_other_machine() {
        let recorded = boot("a", 10 * HOUR);
        let same = boot("b", 10 * HOUR);
        assert_eq!(align(Some(&recorded), &same, None), Alignment::Same);
        let set_by_two = boot("b", 10 * HOUR + 2);
        assert_eq!(align(Some(&recorded), &set_by_two, None), set(2));
        // Once it has found them the same, it knows the other's id for the same start.
        let set_by_an_hour = boot("b", 11 * HOUR);
        let verdict = align(Some(&recorded), &set_by_an_hour, Some("a"));
        assert_eq!(verdict, set(HOUR));
    }

    #[test]
    fn a_start_does_not_change_under_a_process_that_runs() {
        let verdict = align(Some(&boot("b", 99 * HOUR)), &boot("a", 9), Some("a"));
        assert_eq!(verdict, Alignment::TwoMachines);
    }
}
