//! A store and workers under virtual time: a lease of five minutes runs out in no time at all.

use std::{sync::Arc, time::Duration};

use stent::{
    prelude::*,
    store::{Clock, Store, Timestamp},
    worker::HolderClock,
};
use stent_store_memory::MemoryStore;
use tokio::time::Instant;

/// The clock of everything: tokio's, which stands still under `start_paused` until everyone waits.
#[derive(Debug)]
pub(crate) struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).saturating_add(self.0.elapsed())
    }
}

impl HolderClock for VirtualClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A store with its client, and the clock that both go by.
pub(crate) struct World {
    pub(crate) stent: Stent,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<VirtualClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(VirtualClock(Instant::now()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::with_clock(Arc::clone(&clock) as _));
        Self {
            stent: Stent::builder(Arc::clone(&store))
                .poll_interval(Duration::from_secs(600))
                .build(),
            store,
            clock,
        }
    }

    /// A worker on the virtual clock.
    pub(crate) fn worker(&self, name: &str) -> WorkerBuilder {
        self.stent
            .worker()
            .name(name)
            .clock(Arc::clone(&self.clock) as _)
            .renew_on_own_thread(false)
    }

    /// The virtual time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.0.elapsed()
    }

    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// Waits until a condition holds; fails after an hour of virtual time.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..360_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("this never came true: {what}");
}
