//! `stent.worker()`: a worker on the store of a client.

use std::sync::Arc;

use stent_client::Stent;

use crate::WorkerBuilder;

/// Sets workers up from a [`Stent`].
pub trait StentWorkers: sealed::Sealed {
    /// A worker on this store, with the client's payload limit, the defaults, and no functions yet.
    fn worker(&self) -> WorkerBuilder;
}

impl StentWorkers for Stent {
    fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(Arc::clone(self.store())).payload_limit(self.payload_limit())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for stent_client::Stent {}
}
