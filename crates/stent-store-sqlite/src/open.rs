//! Opening: whose file it is, its journal mode, and the settings of each connection.
//!
//! **Invariant:** nothing is changed in a file before it is known to be ours, or empty; and no descriptor of a database file is ever closed
//! by other means than SQLite's, because closing one drops every lock that the process holds on that file. (SQLite locks the database and
//! the log's index, neither the log nor a journal.)
//! What is found in the log is synced before anyone is told of it.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use crate::{
    OpenError, Synchronous, file_system,
    migrate::{self, Owner},
    options::SqliteOptions,
    place::{FileId, Place},
};

/// The oldest SQLite without the write-ahead log defect (<https://sqlite.org/wal.html#walresetbug>).
pub(crate) const SQLITE_MIN: &str = "3.51.3";
const SQLITE_MIN_NUMBER: i32 = 3_051_003;

/// Pages in the write-ahead log after which they are moved into the database: 16 MiB. Fewer would sync the database more often than pays;
/// more would only lengthen the log.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Bytes that the write-ahead log keeps once what made it longer is gone.
const WAL_KEPT_BYTES: i64 = 64 * 1024 * 1024;
/// KiB of pages that the writer keeps in memory: negative is SQLite's way to say KiB.
const WRITER_CACHE: i64 = -64 * 1024;
/// KiB of pages that each reader keeps in memory.
const READER_CACHE: i64 = -8 * 1024;
/// What a rollback journal begins with (<https://sqlite.org/fileformat2.html#the_rollback_journal>).
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Attempts to switch to the write-ahead log while other programs do the same.
const WAL_ATTEMPTS: u32 = 100;

/// One opening at a time in this process: a new file is created through a descriptor, and closing that must drop nobody's locks.
static OPENING: Mutex<()> = Mutex::new(());

/// An opened database: the writer's connection and the readers'.
pub(crate) struct Opened {
    /// Where it is, whatever the working directory becomes.
    pub(crate) path: PathBuf,
    pub(crate) place: Place,
    pub(crate) writer: Connection,
    pub(crate) readers: Vec<Connection>,
}

/// Opens a database, creates it if it is missing, and brings an older schema up to date.
pub(crate) fn open(options: &SqliteOptions) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN_NUMBER {
        let found = rusqlite::version();
        return Err(OpenError::LibraryTooOld { found });
    }
    let opening = Opening {
        path: std::path::absolute(&options.path).map_err(|source| OpenError::Io {
            path: options.path.clone(),
            source,
        })?,
        options,
    };
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    opening.create(&file_system::shared_by_machines)?;
    opening.look_who_may_use_it();
    let before = opening.file_id()?;
    opening.peek()?;
    let writer = opening.writer()?;
    let readers = (0..options.readers.get())
        .map(|_| opening.reader())
        .collect::<Result<_, _>>()?;
    let place = opening.place(&writer, before)?;
    opening
        .sync_log(place.log())
        .map_err(|error| opening.io_error(error))?;
    Ok(Opened {
        path: opening.path,
        place,
        writer,
        readers,
    })
}

struct Opening<'o> {
    path: PathBuf,
    options: &'o SqliteOptions,
}

impl Opening<'_> {
    /// Makes the file, for its owner alone, if it is missing and may be made. `shared_by_machines` tells the file system of a path, if it is one that
    /// machines share.
    fn create(
        &self,
        shared_by_machines: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<(), OpenError> {
        let path = self.path.clone();
        let folder = self.path.parent().unwrap_or(&self.path);
        if !folder.is_dir() {
            return Err(OpenError::MissingFolder { path });
        }
        if self.path.is_dir() {
            return Err(OpenError::IsAFolder { path });
        }
        // A file that is there may be a link to elsewhere.
        let looked_at = if self.path.exists() { &path } else { folder };
        if !self.options.allow_shared_file_system
            && let Some(file_system) = shared_by_machines(looked_at)
        {
            return Err(OpenError::SharedFileSystem { path, file_system });
        }
        if !self.options.create {
            return match self.path.try_exists() {
                Ok(true) => Ok(()),
                Ok(false) => Err(OpenError::Missing { path }),
                Err(source) => Err(OpenError::Io { path, source }),
            };
        }
        let mut new = OpenOptions::new();
        new.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
        match new.open(&self.path) {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Err(OpenError::ReadOnly { path })
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Err(OpenError::DiskFull { path })
                }
                _ => Err(OpenError::Io {
                    path,
                    source: error,
                }),
            },
        }
    }

    /// Warns where everybody on the machine may read the database, or change it: a backup that was put back, say, is a file of whoever made it.
    #[cfg(unix)]
    fn look_who_may_use_it(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&self.path).map(|file| file.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o006 != 0) {
            tracing::warn!(
                path = ?self.path,
                "everybody on this machine may read or change the database, with all inputs and results; `chmod o=` takes that from them"
            );
        }
    }

    #[cfg(not(unix))]
    fn look_who_may_use_it(&self) {}

    fn file_id(&self) -> Result<Option<FileId>, OpenError> {
        FileId::of(&self.path).map_err(|error| self.io_error(error))
    }

    /// The files that the connections have open, the database's being the one that was there before.
    fn place(&self, writer: &Connection, before: Option<FileId>) -> Result<Place, OpenError> {
        let resolved = writer.path().map_or(&*self.path, Path::new);
        let place = Place::of(&self.path, resolved).map_err(|error| self.io_error(error))?;
        if place.database() == before {
            Ok(place)
        } else {
            let path = self.path.clone();
            Err(OpenError::Replaced { path })
        }
    }

    /// Syncs the log. A process that was killed between its last write to the log and its sync has told nobody of that commit, and yet SQLite finds
    /// it there, with nobody left to sync it: a caller who asks again, or looks, would be told of what a loss of power takes.
    /// proven by power::what_was_acknowledged_survives_a_loss_of_power
    fn sync_log(&self, log: &Path) -> io::Result<()> {
        match self.options.synchronous {
            Synchronous::Normal => Ok(()),
            Synchronous::Full => {
                // It is opened for writing because Windows syncs nothing else.
                File::options().write(true).open(log)?.sync_data()?;
                sync_folder(log)
            }
        }
    }

    fn io_error(&self, source: io::Error) -> OpenError {
        let path = self.path.clone();
        OpenError::Io { path, source }
    }

    /// Looks whose file it is without a lock and without the files beside it, which SQLite would otherwise make. If a journal is among them, what
    /// stands in the file may be half of something that is to be undone, and only the real connection can tell.
    /// proven by opening::what_was_half_made_when_the_power_went_is_undone_and_made_anew
    fn peek(&self) -> Result<(), OpenError> {
        if self.has_journal() {
            return Ok(());
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let owner = Connection::open_with_flags(immutable_uri(&self.path), flags)
            .and_then(|connection| migrate::owner(&connection));
        match owner {
            Ok(owner) => self.check(&owner),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                Err(self.error(error))
            }
            // Another program may have been writing just then; the real connection waits for it, and tells.
            Err(_) => Ok(()),
        }
    }

    /// Whether SQLite has begun something in the file, by a journal, and not ended it.
    fn has_journal(&self) -> bool {
        let beginning = self.path.canonicalize().and_then(|path| {
            let mut journal = path.into_os_string();
            journal.push("-journal");
            let mut beginning = [0; JOURNAL_MAGIC.len()];
            File::open(journal)?.read_exact(&mut beginning)?;
            Ok(beginning)
        });
        beginning.is_ok_and(|beginning| beginning == JOURNAL_MAGIC)
    }

    fn check(&self, owner: &Owner) -> Result<(), OpenError> {
        let path = self.path.clone();
        match *owner {
            Owner::Nobody
            | Owner::Stent {
                schema: 0..=migrate::NEWEST,
            } => Ok(()),
            Owner::Stent { schema } => Err(OpenError::NewerSchema {
                path,
                found: schema,
                known: migrate::NEWEST,
            }),
            Owner::Another { application_id } => Err(OpenError::AnotherProgram {
                path,
                application_id,
            }),
        }
    }

    fn writer(&self) -> Result<Connection, OpenError> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let wrap = |error| self.error(error);
        if connection.is_readonly(MAIN_DB).map_err(wrap)? {
            let path = self.path.clone();
            return Err(OpenError::ReadOnly { path });
        }
        self.check(&migrate::owner(&connection).map_err(wrap)?)?;
        self.limit_size(&connection).map_err(wrap)?;
        migrate::migrate(&mut connection).map_err(wrap)?;
        self.check(&migrate::owner(&connection).map_err(wrap)?)?;
        self.use_wal(&mut connection)?;
        self.set_writer(&connection).map_err(wrap)?;
        // Whether it can be written shows only when it is.
        migrate::immediate(&mut connection)
            .and_then(rusqlite::Transaction::commit)
            .map_err(wrap)?;
        Ok(connection)
    }

    fn set_writer(&self, connection: &Connection) -> rusqlite::Result<()> {
        let synchronous = match self.options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", WRITER_CACHE)?;
        set_number(connection, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        set_number(connection, "journal_size_limit", WAL_KEPT_BYTES)?;
        Ok(())
    }

    fn limit_size(&self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(bytes) = self.options.max_bytes {
            let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
            set_number(
                connection,
                "max_page_count",
                pages.clamp(1, i64::from(u32::MAX - 1)),
            )?;
        }
        Ok(())
    }

    fn reader(&self) -> Result<Connection, OpenError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let set = || {
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", READER_CACHE)
        };
        set().map_err(|error| self.error(error))?;
        Ok(connection)
    }

    /// Opens a connection with the settings that all have.
    fn connect(&self, access: OpenFlags) -> Result<Connection, OpenError> {
        let connect = || {
            let connection =
                Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(self.options.busy_timeout)?;
            // No rule of the store rests on these; what a distribution chose as default must not matter.
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            set_number(&connection, "mmap_size", 0)?;
            Ok(connection)
        };
        connect().map_err(|error| self.error(error))
    }

    /// Switches to the write-ahead log, which stays with the file. While others switch too, SQLite may answer "busy" without waiting.
    fn use_wal(&self, connection: &mut Connection) -> Result<(), OpenError> {
        for attempt in 1.. {
            let switched = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
                row.get::<_, String>(0)
            });
            match switched {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(mode) => {
                    let path = self.path.clone();
                    return Err(OpenError::NoWriteAheadLog { path, mode });
                }
                Err(error) if is_busy(&error) && attempt < WAL_ATTEMPTS => {
                    // Waits until whoever holds the lock is done.
                    migrate::immediate(connection)
                        .and_then(rusqlite::Transaction::commit)
                        .map_err(|error| self.error(error))?;
                }
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(())
    }

    fn error(&self, source: rusqlite::Error) -> OpenError {
        let path = self.path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked {
                path,
                waited: self.options.busy_timeout,
            },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly { path },
            Some(ErrorCode::DiskFull) => OpenError::DiskFull { path },
            _ => OpenError::Sqlite { path, source },
        }
    }
}

/// Syncs which files the folder of a file has; only Unix knows how. Where a folder may not be read, or its file system syncs none, SQLite passes over
/// it too.
fn sync_folder(file: &Path) -> io::Result<()> {
    let Some(folder) = file.parent().filter(|_| cfg!(unix)) else {
        return Ok(());
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Sets a number with a pragma that answers with a row.
fn set_number(connection: &Connection, pragma: &str, number: i64) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, pragma, number, |_| Ok(()))
}

/// A URI by which SQLite reads the file as it is: no locks, no files beside it.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(byte));
            }
            byte => {
                // Writing to a string does not fail.
                write!(uri, "%{byte:02X}").unwrap_or_default();
            }
        }
    }
    uri.push_str("?immutable=1");
    uri
}

#[cfg(test)]
mod tests;
