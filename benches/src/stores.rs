//! The stores that are measured, each with all options at their defaults.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use stent::{
    Stent,
    store::{MemoryStore, PostgresStore, SqliteOptions, SqliteStore, Store, Synchronous},
};
use stent_test_postgres::Cluster;
use tempfile::TempDir;

use crate::{
    Result,
    counts::{Counter, Counts},
    options::Options,
};

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum StoreKind {
    Memory,
    Sqlite,
    Postgres,
}

impl StoreKind {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Sqlite, Self::Postgres];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a store is, so that another process can open it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Address {
    Sqlite { path: PathBuf, normal: bool },
    Postgres { url: String },
}

impl Address {
    /// A place for a new database, and what is to be dropped when it is used no more. The memory store has none.
    pub(crate) fn new(
        kind: StoreKind,
        options: &Options,
    ) -> Result<Option<(Self, Option<TempDir>)>> {
        Ok(match kind {
            StoreKind::Memory => None,
            StoreKind::Sqlite => {
                let folder = options.temporary()?;
                let path = folder.path().join("bench.db");
                let normal = options.is_normal();
                Some((Self::Sqlite { path, normal }, Some(folder)))
            }
            StoreKind::Postgres => {
                let url = PostgresServer::running()?.database()?;
                Some((Self::Postgres { url }, None))
            }
        })
    }

    /// Opens the store.
    pub(crate) async fn open(&self) -> Result<Stored> {
        Ok(match self {
            Self::Sqlite { path, normal } => {
                let synchronous = if *normal {
                    Synchronous::Normal
                } else {
                    Synchronous::Full
                };
                let store = SqliteOptions::new(path).synchronous(synchronous).open()?;
                let store = Arc::new(store);
                Stored {
                    store: Arc::clone(&store) as Arc<dyn Store>,
                    counted: Some(store),
                }
            }
            Self::Postgres { url } => Stored {
                store: Arc::new(PostgresStore::open(url).await?),
                counted: None,
            },
        })
    }
}

/// A store, and the same where it counts its transactions.
pub(crate) struct Stored {
    pub(crate) store: Arc<dyn Store>,
    counted: Option<Arc<SqliteStore>>,
}

impl Stored {
    /// Transactions that were committed since it was opened, where the store counts them.
    pub(crate) fn commits(&self) -> Option<u64> {
        self.counted
            .as_ref()
            .map(|store| store.write_counts().commits)
    }
}

/// A fresh store. What it kept is gone when it is dropped.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// None in memory.
    pub(crate) address: Option<Address>,
    stored: Stored,
    counter: Option<Counter>,
    // Dropped last, when nothing has its files open any more.
    _folder: Option<TempDir>,
}

impl Opened {
    pub(crate) async fn new(kind: StoreKind, options: &Options) -> Result<Self> {
        Self::at(Address::new(kind, options)?, None).await
    }

    /// One whose statements and bytes are counted.
    pub(crate) async fn counted(kind: StoreKind, options: &Options) -> Result<Self> {
        let place = Address::new(kind, options)?.ok_or("this store has no address")?;
        let counter = Counter::new(&place.0).await?;
        Self::at(Some(place), Some(counter)).await
    }

    async fn at(
        place: Option<(Address, Option<TempDir>)>,
        counter: Option<Counter>,
    ) -> Result<Self> {
        let (address, folder) = place.unzip();
        let stored = match &address {
            Some(address) => address.open().await?,
            None => Stored {
                store: Arc::new(MemoryStore::new()),
                counted: None,
            },
        };
        Ok(Self {
            store: Arc::clone(&stored.store),
            address,
            stored,
            counter,
            _folder: folder.flatten(),
        })
    }

    pub(crate) fn client(&self) -> Stent {
        Stent::new(Arc::clone(&self.store))
    }

    /// Transactions that were committed since it was opened, where the store counts them.
    pub(crate) fn commits(&self) -> Option<u64> {
        self.stored.commits()
    }

    /// What was done so far to one that is counted.
    pub(crate) async fn counts(&self) -> Result<Counts> {
        let counter = self.counter.as_ref().ok_or("nothing is counted here")?;
        let counts = counter.read().await?;
        Ok(Counts {
            commits: counts.commits.or(self.commits()),
            ..counts
        })
    }
}

/// A throwaway server that waits for the disk; it ends with this value.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    cluster: Arc<Cluster>,
}

/// The server that runs, which each [`Opened`] finds here.
static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

impl PostgresServer {
    pub(crate) fn start() -> Result<Self> {
        let options = stent_test_postgres::Options::new()
            .durable(true)
            .set("shared_buffers", "512MB")
            // Counts statements where a measurement wants them counted, and costs nothing elsewhere.
            .set("shared_preload_libraries", "'pg_stat_statements'")
            .set("pg_stat_statements.track", "'none'");
        let cluster = Arc::new(Cluster::start(&options)?);
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&cluster);
        Ok(Self { cluster })
    }

    /// The server that was started.
    ///
    /// # Errors
    /// When none was.
    pub(crate) fn running() -> Result<Self> {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = running
            .upgrade()
            .ok_or("no PostgreSQL server was started")?;
        Ok(Self { cluster })
    }

    /// The URL of one of its databases; `postgres` is there from the beginning.
    pub(crate) fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.cluster
            .sql("postgres", &format!("create database {name}"))?;
        Ok(self.cluster.url(&name))
    }
}
