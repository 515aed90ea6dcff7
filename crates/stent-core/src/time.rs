//! Instants with one resolution everywhere, and the clock that a store decides by.
//!
//! No arithmetic here overflows, wraps or panics: what does not fit is clamped to [`Timestamp::MIN`] or [`Timestamp::MAX`].

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// An instant: microseconds since the Unix epoch, the finest resolution that all databases keep.
///
/// From the epoch to the end of the year 9999; whatever lies outside is clamped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const MIN: Self = Self(0);
    /// The last microsecond of the year 9999, the latest instant that databases and formats agree on.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// Clamps a number of microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_unix_millis(self) -> u64 {
        self.0.unsigned_abs() / 1_000
    }

    /// This instant and a span after it, [`Timestamp::MAX`] at most.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(micros(span)))
    }

    /// The instant a span before this one, [`Timestamp::MIN`] at least.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(micros(span)))
    }

    /// The instant a span before this one, or `None` when that lies before [`Timestamp::MIN`].
    #[must_use]
    pub fn checked_sub(self, span: Duration) -> Option<Self> {
        let earlier = self.0.checked_sub(micros(span))?;
        (earlier >= Self::MIN.0).then_some(Self(earlier))
    }

    /// How long after another instant this one is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        if self.0 <= earlier.0 {
            Duration::ZERO
        } else {
            Duration::from_micros(self.0.saturating_sub(earlier.0).unsigned_abs())
        }
    }
}

/// A span in whole microseconds, rounded up so that nothing happens early; `i64::MAX` at most.
#[must_use]
pub fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX)
}

/// The span of a stored number of microseconds; a negative one is zero.
#[must_use]
pub fn from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl From<i64> for Timestamp {
    fn from(micros: i64) -> Self {
        Self::from_micros(micros)
    }
}

impl From<Timestamp> for i64 {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        at.duration_since(UNIX_EPOCH)
            .map_or(Self::MIN, |span| Self::MIN.saturating_add(span))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH
            .checked_add(from_micros(at.0))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// The clock of a store: it alone decides what is due and which lease ran out.
///
/// Tests hand a store a clock that they move themselves.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arithmetic_never_leaves_the_range(at in any::<i64>(), span in any::<u64>(), nanos in 0u32..1_000_000_000) {
            let at = Timestamp::from_micros(at);
            let span = Duration::new(span, nanos);
            for result in [at.saturating_add(span), at.saturating_sub(span)] {
                prop_assert!((Timestamp::MIN..=Timestamp::MAX).contains(&result));
            }
            prop_assert!(at.saturating_add(span) >= at);
            prop_assert!(at.saturating_sub(span) <= at);
            prop_assert_eq!(at.since(at.saturating_add(span)), Duration::ZERO);
        }

        #[test]
        fn a_span_comes_back_rounded_up_to_microseconds(seconds in 0u64..10_000_000, nanos in 0u32..1_000_000_000) {
            let span = Duration::new(seconds, nanos);
            let later = Timestamp::MIN.saturating_add(span);
            let back = later.since(Timestamp::MIN);
            prop_assert!(back >= span && back - span < Duration::from_micros(1));
            prop_assert_eq!(Timestamp::from(SystemTime::from(later)), later);
        }
    }

    #[test]
    fn a_span_too_long_to_subtract_is_none() {
        assert_eq!(Timestamp::from_micros(5).checked_sub(Duration::MAX), None);
        assert_eq!(
            Timestamp::from_micros(5).checked_sub(Duration::from_micros(5)),
            Some(Timestamp::MIN)
        );
    }

    #[test]
    fn an_instant_is_a_number_of_microseconds() {
        let at = Timestamp::from(1_234_567_i64);
        assert_eq!(i64::from(at), 1_234_567);
        assert_eq!(at.as_unix_millis(), 1_234);
        assert_eq!(Timestamp::from(-1), Timestamp::MIN);
        assert_eq!(Timestamp::from(i64::MAX), Timestamp::MAX);
    }

    #[test]
    fn an_instant_before_another_is_the_first_one_at_least() {
        let second = Duration::from_secs(1);
        let at = Timestamp::from_micros(1_500_000);
        assert_eq!(at.saturating_sub(second).as_micros(), 500_000);
        assert_eq!(at.saturating_sub(2 * second), Timestamp::MIN);
    }
}
