//! The memory store passes what it specifies.

use std::sync::Arc;

use stent_conformance::{Harness, ManualClock, Surroundings};
use stent_core::Store;
use stent_store_memory::MemoryStore;

struct Memory;

#[async_trait::async_trait]
impl Harness for Memory {
    async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store> {
        Arc::new(MemoryStore::with_clock(clock))
    }

    /// It keeps nothing: a process that ends takes its maps along.
    async fn reopen(&self, _: Arc<ManualClock>) -> Option<Arc<dyn Store>> {
        None
    }

    async fn open_at_once(&self, _: usize, _: Arc<ManualClock>) -> Option<Vec<Arc<dyn Store>>> {
        None
    }

    fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
        Vec::new()
    }
}

stent_conformance::suite!(Memory);
