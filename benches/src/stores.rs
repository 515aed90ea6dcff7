//! The stores that are measured, each with all options at their defaults.

use std::{fmt, sync::Arc};

use clap::ValueEnum;
use stent::{
    Stent,
    store::{MemoryStore, SqliteOptions, SqliteStore, Store, Synchronous},
};
use tempfile::TempDir;

use crate::{Result, options::Options};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum StoreKind {
    Memory,
    Sqlite,
}

impl StoreKind {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Sqlite];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A fresh store. What it kept is gone when it is dropped.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    counted: Option<Arc<SqliteStore>>,
    // Dropped last, when nothing has its files open any more.
    _folder: Option<TempDir>,
}

impl Opened {
    pub(crate) fn new(kind: StoreKind, options: &Options) -> Result<Self> {
        match kind {
            StoreKind::Memory => Ok(Self {
                store: Arc::new(MemoryStore::new()),
                counted: None,
                _folder: None,
            }),
            StoreKind::Sqlite => {
                let folder = options.temporary()?;
                let synchronous = if options.is_normal() {
                    Synchronous::Normal
                } else {
                    Synchronous::Full
                };
                let store = SqliteOptions::new(folder.path().join("bench.db"))
                    .synchronous(synchronous)
                    .open()?;
                let store = Arc::new(store);
                Ok(Self {
                    store: Arc::clone(&store) as Arc<dyn Store>,
                    counted: Some(store),
                    _folder: Some(folder),
                })
            }
        }
    }

    pub(crate) fn client(&self) -> Stent {
        Stent::new(Arc::clone(&self.store))
    }

    /// Transactions that were committed since it was opened, where the store counts them.
    pub(crate) fn commits(&self) -> Option<u64> {
        self.counted
            .as_ref()
            .map(|store| store.write_counts().commits)
    }
}
