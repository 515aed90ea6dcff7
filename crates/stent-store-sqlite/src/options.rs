//! What may be set, and opening.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use stent_core::Clock;

use crate::{OpenError, SqliteStore, clock::StoreClock};

/// How long a request waits for another program's lock: long enough for its largest transaction, short enough to tell a caller.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Threads that read: as many as the queries that people and dashboards wait for at once.
const READERS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Synchronous {
    /// A loss of power, and everything less: each commit waits for the disk. The default.
    #[default]
    Full,
    /// The end of the process, at any moment. A loss of power may take the newest commits, whole and in reverse order; nothing is damaged.
    /// One commit is some ten times faster.
    Normal,
}

/// How to open a database.
///
/// ```no_run
/// use std::time::Duration;
/// use stent_store_sqlite::{SqliteOptions, Synchronous};
///
/// let store = SqliteOptions::new("orders.db")
///     .synchronous(Synchronous::Normal)
///     .busy_timeout(Duration::from_secs(3))
///     .open()?;
/// # Ok::<(), stent_store_sqlite::OpenError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options open nothing until `open` is called"]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: NonZeroUsize,
    pub(crate) clock: StoreClock,
    pub(crate) create: bool,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) allow_shared_file_system: bool,
}

impl SqliteOptions {
    /// Options with their defaults, for a file. Two more stand beside it while it is open, named with `-wal` and `-shm` at the end.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            synchronous: Synchronous::default(),
            busy_timeout: BUSY_TIMEOUT,
            readers: READERS,
            clock: StoreClock::of_this_machine(),
            create: true,
            max_bytes: None,
            allow_shared_file_system: false,
        }
    }

    /// What an acknowledged write survives. Default [`Synchronous::Full`].
    pub const fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long a request waits for another program's lock before it fails as retryable. Default 10 s. It bounds every call.
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many threads read, each with a connection of its own. Default 2. Writes have one thread of their own.
    pub const fn readers(mut self, readers: NonZeroUsize) -> Self {
        self.readers = readers;
        self
    }

    /// The clock that decides what is due and which lease ran out. Default: the machine's wall clock, with
    /// leases kept by its boot clock, so that setting the wall clock neither ends nor prolongs them (on Linux). One that is given is believed as it
    /// is; all processes on one file need clocks that agree.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = StoreClock::Given(clock);
        self
    }

    /// Whether a missing file is created. Default `true`. Only its owner may read and write it (mode 0600).
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// The size in bytes beyond which this store does not let the database grow; writes that need more fail as retryable, as on a full disk.
    /// Default: none but the disk's.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Whether a database is opened that lies on a file system which machines share, such as NFS, SMB or a virtual machine's shared folder.
    /// Default `false`: SQLite's log needs memory that all its users share, and locks that hold. Only if a single machine uses the database, and
    /// the file system locks as a local one does, is nothing lost. It is found out on Linux only.
    pub const fn allow_shared_file_system(mut self, allow: bool) -> Self {
        self.allow_shared_file_system = allow;
        self
    }

    /// Opens the database; creates it if it is missing, and brings an older schema up to date.
    ///
    /// It waits for the disk and for other programs' locks, so call it where a thread may block.
    ///
    /// # Errors
    /// As [`OpenError`] says. Any number of programs may open one file at once.
    pub fn open(self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self)
    }
}
