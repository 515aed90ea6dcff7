//! Waiting longer after each failure, with jitter, so that a fleet does not come back in step.

use std::{ops::Deref, time::Duration};

use crate::shared::Shared;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(5);

/// The waits of one loop that asks the store again and again, however long it is away.
#[derive(Debug)]
pub(crate) struct Backoff<S> {
    shared: S,
    next: Duration,
}

impl<S: Deref<Target = Shared>> Backoff<S> {
    pub(crate) const fn new(shared: S) -> Self {
        Self {
            shared,
            next: FIRST,
        }
    }

    /// Waits for half to all of the present span, and doubles it.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.step()).await;
    }

    pub(crate) fn step(&mut self) -> Duration {
        let span = self.next;
        self.next = span.saturating_mul(2).min(LONGEST);
        let half = span / 2;
        let random = f64::from(self.shared.random_u32()) / f64::from(u32::MAX);
        half + half.mul_f64(random)
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}
