//! The store answers as the memory store does, in every mode that users run.

use std::{
    error::Error,
    sync::{Arc, Barrier},
};

use rusqlite::Connection;
use stent_conformance::{Alternating, Harness, ManualClock, Surroundings};
use stent_core::Store;
use stent_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};
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

    async fn open_at_once(
        &self,
        count: usize,
        clock: Arc<ManualClock>,
    ) -> Option<Vec<Arc<dyn Store>>> {
        let barrier = Arc::new(Barrier::new(count));
        let open = |_| {
            let (options, barrier) = (self.options(Arc::clone(&clock)), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                options.open()
            })
        };
        let opening: Vec<_> = (0..count).map(open).collect();
        let opened = opening.into_iter().map(|opener| -> Arc<dyn Store> {
            let store: SqliteStore = opener.join().expect("no panic").expect("it opens");
            Arc::new(store)
        });
        Some(opened.collect())
    }

    fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
        let spoilt = |name, spoils, mends, refused_naming, watched| {
            Box::new(Spoilt {
                place: Self::new(self.synchronous, self.second_store),
                name,
                spoils,
                mends,
                refused_naming,
                watched,
            }) as Box<dyn Surroundings>
        };
        vec![
            spoilt(
                "a newer version",
                ("user_version", "99"),
                ("user_version", "3"),
                Some("99"),
                None,
            ),
            spoilt(
                "another program's file",
                ("application_id", "7"),
                ("application_id", "0x53746e74"),
                Some("another program"),
                None,
            ),
            spoilt(
                "a journal that readers and the writer wait for each other with",
                ("journal_mode", "delete"),
                ("journal_mode", "wal"),
                None,
                Some(("journal_mode", "wal")),
            ),
        ]
    }
}

/// A setting of the file that others changed.
struct Spoilt {
    place: Folder,
    name: &'static str,
    spoils: (&'static str, &'static str),
    mends: (&'static str, &'static str),
    refused_naming: Option<&'static str>,
    /// What a setting is while the store works.
    watched: Option<(&'static str, &'static str)>,
}

impl Spoilt {
    fn file(&self) -> Connection {
        Connection::open(self.place.folder.path().join("stent.db")).expect("the store's file")
    }

    fn set(&self, (setting, to): (&str, &str)) {
        let set = format!("PRAGMA {setting} = {to}");
        self.file().execute_batch(&set).expect("a setting");
    }
}

#[async_trait::async_trait]
impl Surroundings for Spoilt {
    fn name(&self) -> &str {
        self.name
    }

    async fn open(
        &self,
        clock: Arc<ManualClock>,
    ) -> Result<Arc<dyn Store>, Box<dyn Error + Send + Sync>> {
        Ok(Arc::new(self.place.options(clock).open()?))
    }

    async fn spoil(&self) {
        self.set(self.spoils);
    }

    async fn mend(&self) {
        self.set(self.mends);
    }

    fn refused_naming(&self) -> Option<&str> {
        self.refused_naming
    }

    async fn in_force(&self) -> Option<String> {
        let (setting, wanted) = self.watched?;
        let read = self
            .file()
            .pragma_query_value(None, setting, |row| row.get(0));
        let found: String = read.expect("a setting");
        (found != wanted).then_some(found)
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
