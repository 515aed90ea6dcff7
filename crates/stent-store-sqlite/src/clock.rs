//! The store's time: the machine's boot clock, counted from a start that all processes on one file agree on.
//!
//! **Invariant:** setting the wall clock neither ends a lease nor prolongs it. Time moves on evenly while a transaction runs, and is set only
//! together with every lease, in one transaction. What is to be done then is decided by [`stent_core::boot`].

use std::{fmt, sync::Arc, time::SystemTime};

use stent_core::{Clock, Timestamp, boot::Boot};

#[cfg(target_os = "linux")]
mod linux;

/// The machine's wall clock as it is.
///
/// A store that is handed none counts leases by the machine's boot clock as well, so that setting the wall clock does not end them (on Linux;
/// elsewhere it goes by the wall clock alone).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock of the store; everything else is handed it"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// The clocks of a machine.
pub(crate) trait Machine: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn wall(&self) -> Timestamp;

    /// The machine's start, as the clocks show it now; `None` where they do not tell, or could not be read at one moment.
    fn boot(&self) -> Option<Boot>;

    /// The time by the boot clock, counted from a start.
    fn since(&self, boot: &Boot) -> Timestamp;
}

/// Where a store takes its time from.
#[derive(Clone, Debug)]
pub(crate) enum StoreClock {
    /// A clock that the user gave, which is believed.
    Given(Arc<dyn Clock>),
    /// The machine's clocks.
    Machine(Arc<dyn Machine>),
}

impl StoreClock {
    /// The machine that the program runs on.
    pub(crate) fn of_this_machine() -> Self {
        #[cfg(target_os = "linux")]
        if let Some(machine) = linux::ThisMachine::new() {
            return Self::Machine(Arc::new(machine));
        }
        Self::Given(Arc::new(SystemClock))
    }

    /// The time without a look at the file: the wall clock's.
    pub(crate) fn wall(&self) -> Timestamp {
        match self {
            Self::Given(clock) => clock.now(),
            Self::Machine(machine) => machine.wall(),
        }
    }

    /// The time, counted from a start if one is known.
    pub(crate) fn now(&self, counted_from: Option<&Boot>) -> Timestamp {
        match (self, counted_from) {
            (Self::Machine(machine), Some(boot)) => machine.since(boot),
            (Self::Machine(_) | Self::Given(_), _) => self.wall(),
        }
    }

    /// The machine's start, if the store goes by it.
    pub(crate) fn boot(&self) -> Option<Boot> {
        match self {
            Self::Given(_) => None,
            Self::Machine(machine) => machine.boot(),
        }
    }
}

#[cfg(test)]
mod tests;
