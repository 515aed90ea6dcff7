//! The holder's own clock and its randomness: the one place where they are read from the machine.
//!
//! **Invariant:** the clock counts the time that the machine sleeps. A lease goes on while a laptop is closed, so its holder's clock must too.

use std::{fmt, sync::Mutex, time::Duration};

use stent_core::Timestamp;

/// A clock that never goes back and counts the machine's sleep. By it a holder stops before its lease can have run out.
pub trait HolderClock: Send + Sync + fmt::Debug {
    /// The time since some fixed instant.
    fn now(&self) -> Duration;
}

/// The machine's clock since its start, sleep included: `CLOCK_BOOTTIME` on Linux (`man 2 clock_gettime`). Elsewhere the monotonic clock,
/// which on Windows counts sleep and on macOS does not.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock;

#[cfg(target_os = "linux")]
impl HolderClock for MachineClock {
    fn now(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanos)
    }
}

#[cfg(not(target_os = "linux"))]
impl HolderClock for MachineClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the file that implements the clock"
    )]
    fn now(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// Where a worker takes its random numbers from: ids, marks, jitter, and what bodies ask for.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills a buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineEntropy;

impl Entropy for MachineEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect(
            "the operating system has random numbers; without them nothing is safe to start",
        );
    }
}

/// What the store's clock shows, as far as a worker can tell without asking: never later than it really is, while both clocks run alike.
#[derive(Debug, Default)]
pub(crate) struct StoreTime {
    last: Mutex<Option<(Timestamp, Duration)>>,
}

impl StoreTime {
    /// The store answered with its time, and the answer arrived at `received`.
    pub(crate) fn heard(&self, now: Timestamp, received: Duration) {
        *self.lock() = Some((now, received));
    }

    /// Whether the store has told its time yet.
    pub(crate) fn is_known(&self) -> bool {
        self.lock().is_some()
    }

    /// The store's time now.
    pub(crate) fn now(&self, clock: &dyn HolderClock) -> Timestamp {
        match *self.lock() {
            Some((now, received)) => now.saturating_add(clock.now().saturating_sub(received)),
            None => Timestamp::MIN,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Duration)>> {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
