//! The machine's clock.

use std::time::SystemTime;

use stent_core::{Clock, Timestamp};

/// The machine's clock. The default of a store.
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
