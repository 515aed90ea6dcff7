//! Where a client takes its ids from: the one place where it reads the machine's clock and its random numbers.

use std::fmt;

use stent_core::{SignalId, TaskId, Timestamp};

/// The time and the randomness of a client's ids. Tests and simulations hand in their own.
///
/// The time only makes ids that were made one after the other lie side by side in a database's index; no rule depends on it.
pub trait IdSource: Send + Sync + fmt::Debug {
    /// The present instant, about.
    fn now(&self) -> Timestamp;

    /// Fills a buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's clock and its random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineIds;

impl IdSource for MachineIds {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the file that implements it; ids are the only use"
    )]
    fn now(&self) -> Timestamp {
        std::time::SystemTime::now().into()
    }

    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer)
            .expect("the operating system has random numbers; without them no id is safe");
    }
}

fn random<const N: usize>(ids: &dyn IdSource) -> [u8; N] {
    let mut bytes = [0; N];
    ids.fill(&mut bytes);
    bytes
}

pub(crate) fn task_id(ids: &dyn IdSource) -> TaskId {
    TaskId::from_parts(ids.now(), &random(ids))
}

pub(crate) fn signal_id(ids: &dyn IdSource) -> SignalId {
    SignalId::from_parts(ids.now(), &random(ids))
}

/// A number from 0 up to 1.
pub(crate) fn fraction(ids: &dyn IdSource) -> f64 {
    f64::from(u32::from_le_bytes(random(ids))) / f64::from(u32::MAX)
}
