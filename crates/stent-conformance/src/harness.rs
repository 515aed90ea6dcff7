//! What a store author hands to the suite.

use std::{error::Error, sync::Arc};

use stent_core::Store;

use crate::ManualClock;

/// The place of one store: a folder, a schema, nothing at all. Each test has its own, and drops it when it ends; cleaning up belongs there.
///
/// All methods are called within a tokio runtime.
#[async_trait::async_trait]
pub trait Harness: Send + Sync {
    /// A fresh, empty store that sees nothing of any other and goes by this clock. Called once.
    async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store>;

    /// The same data as of the store that [`Harness::open`] made, which has been dropped.
    ///
    /// `None` says that the store keeps nothing, as one in memory. The cases that restart it then pass at that point, unproven; so there is no default.
    async fn reopen(&self, clock: Arc<ManualClock>) -> Option<Arc<dyn Store>>;

    /// The store that [`Harness::open`] would make, in its place and not after it, opened so many times at one moment, as by processes that start
    /// together.
    ///
    /// `None` says that no two processes share this store's data. The case of it then passes, unproven; so there is no default.
    async fn open_at_once(
        &self,
        count: usize,
        clock: Arc<ManualClock>,
    ) -> Option<Vec<Arc<dyn Store>>>;

    /// What others may have done to such a place, each to one of its own: what a newer version left there, and settings of files, databases and roles
    /// that weaken a promise. A store without surroundings has none; so there is no default.
    fn surroundings(&self) -> Vec<Box<dyn Surroundings>>;
}

/// One thing that is wrong with what surrounds a store. It must be refused when the store is opened, or come to nothing.
#[async_trait::async_trait]
pub trait Surroundings: Send + Sync {
    /// What is wrong, for the message of a case that fails.
    fn name(&self) -> &str;

    /// Opens the store at this place, as a program does.
    ///
    /// # Errors
    /// What a program is told.
    async fn open(
        &self,
        clock: Arc<ManualClock>,
    ) -> Result<Arc<dyn Store>, Box<dyn Error + Send + Sync>>;

    /// Makes it wrong, while no store is open.
    async fn spoil(&self);

    /// Puts it right again, while no store is open.
    async fn mend(&self);

    /// A word that the refusal says. `None` says that the store is to open and to work all the same.
    fn refused_naming(&self) -> Option<&str>;

    /// What of it was in force for the work of the store that opened all the same, and must not have been.
    async fn in_force(&self) -> Option<String>;
}
