//! What a store author hands to the suite.

use std::sync::Arc;

use stent_core::Store;

use crate::ManualClock;

/// The place of one store: a folder, a schema, nothing at all. Each test has its own, and drops it when it ends; cleaning up belongs there.
///
/// Both methods are called within a tokio runtime.
#[async_trait::async_trait]
pub trait Harness: Send + Sync {
    /// A fresh, empty store that sees nothing of any other and goes by this clock. Called once.
    async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store>;

    /// The same data as of the store that [`Harness::open`] made, which has been dropped.
    ///
    /// `None` says that the store keeps nothing, as one in memory. The cases that restart it then pass at that point, unproven; so there is no default.
    async fn reopen(&self, clock: Arc<ManualClock>) -> Option<Arc<dyn Store>>;
}
