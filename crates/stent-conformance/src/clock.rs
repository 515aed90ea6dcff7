//! A clock that stands still until it is moved.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use stent_core::{Clock, Timestamp};

/// The clock of a store under test. It begins in the year 2027 and moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(Self::START.as_micros()))
    }
}

impl ManualClock {
    /// Where every clock begins.
    pub const START: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    /// A clock at [`ManualClock::START`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves on.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().saturating_add(span));
    }

    /// Moves to an instant, which may lie in the past.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}
