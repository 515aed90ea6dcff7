//! The store answers as the memory store does, in every mode that users run.

use std::sync::Arc;

use stent_conformance::{Alternating, Harness, ManualClock};
use stent_core::Store;
use stent_store_sqlite::{SqliteOptions, Synchronous};
use tempfile::TempDir;

/// A folder with one database, which is opened in one mode.
struct Folder {
    folder: TempDir,
    synchronous: Synchronous,
    second_store: bool,
}

impl Folder {
    fn new(synchronous: Synchronous, second_store: bool) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for temporary files"),
            synchronous,
            second_store,
        }
    }

    fn options(&self, clock: Arc<ManualClock>) -> SqliteOptions {
        SqliteOptions::new(self.folder.path().join("stent.db"))
            .synchronous(self.synchronous)
            .clock(clock)
    }
}

#[async_trait::async_trait]
impl Harness for Folder {
    async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store> {
        let store = self.options(Arc::clone(&clock)).open().expect("a new file");
        if self.second_store {
            let other = self.options(clock).open().expect("the same file");
            return Arc::new(Alternating::new(store, other));
        }
        Arc::new(store)
    }

    async fn reopen(&self, clock: Arc<ManualClock>) -> Option<Arc<dyn Store>> {
        let store = self.options(clock).open().expect("the same file");
        Some(Arc::new(store))
    }
}

/// The default: an acknowledged commit survives a loss of power.
mod full {
    use super::{Folder, Synchronous};
    stent_conformance::suite!(Folder::new(Synchronous::Full, false));
}

/// Commits do not wait for the disk.
mod normal {
    use super::{Folder, Synchronous};
    stent_conformance::suite!(Folder::new(Synchronous::Normal, false));
}

/// Every other request comes from another store on the same file, as from another process.
mod two_stores_on_one_file {
    use super::{Folder, Synchronous};
    stent_conformance::suite!(Folder::new(Synchronous::Normal, true));
}
