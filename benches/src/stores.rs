//! The stores that are measured, each with all options at their defaults.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use clap::ValueEnum;
use stent::{
    Stent,
    store::{MemoryStore, PostgresStore, SqliteOptions, SqliteStore, Store, Synchronous},
};
use stent_test_postgres::Cluster;
use tempfile::TempDir;

use crate::{Result, options::Options};

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

/// A fresh store. What it kept is gone when it is dropped.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    counted: Option<Arc<SqliteStore>>,
    /// By which other processes open it too.
    url: Option<String>,
    // Dropped last, when nothing has its files open any more.
    _folder: Option<TempDir>,
}

impl Opened {
    pub(crate) async fn new(kind: StoreKind, options: &Options) -> Result<Self> {
        match kind {
            StoreKind::Postgres => {
                let url = PostgresServer::running()?.database()?;
                Ok(Self {
                    store: Arc::new(PostgresStore::open(&url).await?),
                    counted: None,
                    url: Some(url),
                    _folder: None,
                })
            }
            StoreKind::Memory => Ok(Self {
                store: Arc::new(MemoryStore::new()),
                counted: None,
                url: None,
                _folder: None,
            }),
            StoreKind::Sqlite => {
                let folder = options.temporary()?;
                let synchronous = if options.is_normal() {
                    Synchronous::Normal
                } else {
                    Synchronous::Full
                };
                let path = folder.path().join("bench.db");
                let mut url = format!("sqlite:{}", path.display());
                if options.is_normal() {
                    url.push_str("?synchronous=normal");
                }
                let store = SqliteOptions::new(path).synchronous(synchronous).open()?;
                let store = Arc::new(store);
                Ok(Self {
                    store: Arc::clone(&store) as Arc<dyn Store>,
                    counted: Some(store),
                    url: Some(url),
                    _folder: Some(folder),
                })
            }
        }
    }

    pub(crate) fn client(&self) -> Stent {
        Stent::new(Arc::clone(&self.store))
    }

    /// The URL by which other processes open it too.
    ///
    /// # Errors
    /// When they cannot.
    pub(crate) fn url(&self) -> Result<&str> {
        let url = self.url.as_deref();
        url.ok_or_else(|| "no other process can open this store".into())
    }

    /// Transactions that were committed since it was opened, where the store counts them.
    pub(crate) fn commits(&self) -> Option<u64> {
        self.counted
            .as_ref()
            .map(|store| store.write_counts().commits)
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
            .set("shared_buffers", "512MB");
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

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.cluster
            .sql("postgres", &format!("create database {name}"))?;
        Ok(self.cluster.url(&name))
    }
}
