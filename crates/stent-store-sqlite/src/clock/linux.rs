//! The clocks of Linux.

use std::{fs, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use stent_core::{Clock, Timestamp, boot::Boot};

use super::{Machine, SystemClock};

/// Another for every start of the machine (`man 4 random`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Two clocks were read at one moment if no more than this went by between the readings: a tenth of what counts as set.
const ONE_MOMENT: Duration = Duration::from_millis(1);
/// How often it is tried to read them at one moment. A thread that loses its processor so often in a row tries again at its next transaction.
const READINGS: usize = 3;

/// The machine that the program runs on.
#[derive(Debug)]
pub(super) struct ThisMachine {
    boot_id: Arc<str>,
}

impl ThisMachine {
    /// `None` where the system does not say which start it was.
    pub(super) fn new() -> Option<Self> {
        let id = fs::read_to_string(BOOT_ID).ok()?;
        let id = id.trim();
        (!id.is_empty()).then(|| Self { boot_id: id.into() })
    }
}

/// What went by since the machine's start, its sleep included (`man 2 clock_gettime`).
fn since_start() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

impl Machine for ThisMachine {
    fn wall(&self) -> Timestamp {
        SystemClock.now()
    }

    fn boot(&self) -> Option<Boot> {
        for _ in 0..READINGS {
            let before = since_start();
            let wall = self.wall();
            let between = since_start().saturating_sub(before);
            if between <= ONE_MOMENT {
                return Some(Boot {
                    id: Arc::clone(&self.boot_id),
                    at: wall.saturating_sub(before + between / 2),
                });
            }
        }
        None
    }

    fn since(&self, boot: &Boot) -> Timestamp {
        boot.at.saturating_add(since_start())
    }
}
