//! What can go wrong: why a database was not opened, and what a failure of SQLite means for a request.
//!
//! **Invariant:** what a failure means is decided by SQLite's result codes, never by texts.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::{ErrorCode, ffi};
use stent_core::StoreError;

use crate::FileChanged;

/// Why a database was not opened. Nothing was changed in the file, unless it is a new or empty one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder is missing.
    #[error("cannot open the database `{}`: its folder does not exist; create it first", .path.display())]
    MissingFolder {
        /// The database.
        path: PathBuf,
    },
    /// A folder has the database's name.
    #[error("cannot open the database `{}`: it is a folder; name a file in it", .path.display())]
    IsAFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is missing and was not to be created.
    #[error("the database `{}` does not exist, and was not to be created", .path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The file holds something that is no SQLite database, or an encrypted one.
    #[error("`{}` is not a SQLite database; nothing was changed in it", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error(
        "the database `{}` belongs to another program (application id {application_id:#010x}); nothing was changed in it: \
         give Stent a file of its own", .path.display()
    )]
    AnotherProgram {
        /// The database.
        path: PathBuf,
        /// Its application id; 0 when it has none.
        application_id: i32,
    },
    /// The database was written by a newer version.
    #[error(
        "the database `{}` has the schema {found}, and this program knows schemas up to {known}; nothing was changed in it: \
         use a newer version of the program", .path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The file or its folder cannot be written.
    #[error("the database `{}` cannot be written; check the permissions of the file and of its folder", .path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// Another program kept the database locked for longer than the busy timeout.
    #[error("the database `{}` is locked by another program, for longer than {waited:?}", .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// The busy timeout.
        waited: Duration,
    },
    /// There is no room for the database.
    #[error("no room is left for the database `{}`", .path.display())]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// The database lies on a file system that machines share: a network's, or a virtual machine's shared folder.
    #[error(
        "the database `{}` lies on a file system that machines share (`{file_system}`), over which SQLite can lose or damage it; put it on a \
         disk of this machine, use Postgres for several machines, or insist with `SqliteOptions::allow_shared_file_system` if only this \
         machine uses it", .path.display()
    )]
    SharedFileSystem {
        /// The database.
        path: PathBuf,
        /// The kind of file system.
        file_system: String,
    },
    /// The database cannot be run in write-ahead mode, as on a network file system without shared memory.
    #[error(
        "the database `{}` cannot use a write-ahead log (its journal mode stays `{mode}`); is it on a network file system?",
        .path.display()
    )]
    NoWriteAheadLog {
        /// The database.
        path: PathBuf,
        /// The mode that SQLite chose.
        mode: String,
    },
    /// Another file took the database's name while it was being opened.
    #[error("the database `{}` was replaced while it was being opened; open it again", .path.display())]
    Replaced {
        /// The database.
        path: PathBuf,
    },
    /// The SQLite library that is linked has a defect that can corrupt databases in write-ahead mode.
    #[error(
        "SQLite {found} can corrupt a database that several connections write; link SQLite {} or newer",
        crate::open::SQLITE_MIN
    )]
    LibraryTooOld {
        /// Its version.
        found: &'static str,
    },
    /// The file could not be created, or a thread could not be started.
    #[error("cannot open the database `{}`", .path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused for another reason.
    #[error("cannot open the database `{}`", .path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// A failure of SQLite, as often as it must be told.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The primary code.
    pub(crate) code: ErrorCode,
    message: Arc<str>,
    /// The files are not those that were opened: whatever SQLite may say, nobody else sees what is written.
    changed: Option<FileChanged>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<&rusqlite::Error> for Failure {
    fn from(error: &rusqlite::Error) -> Self {
        Self {
            code: error.sqlite_error_code().unwrap_or(ErrorCode::Unknown),
            message: error.to_string().into(),
            changed: None,
        }
    }
}

impl From<FileChanged> for Failure {
    fn from(changed: FileChanged) -> Self {
        Self {
            code: ErrorCode::Unknown,
            message: changed.to_string().into(),
            changed: Some(changed),
        }
    }
}

/// The answer to a request that came after the files were taken away.
fn elsewhere(operation: &str, changed: FileChanged) -> StoreError {
    StoreError::Final {
        what: format!(
            "`{operation}` was not done, because the database is not the file at its path any more; end every program that has it open, \
             see that the right file is there without the `-wal` and `-shm` of another, and start anew"
        ),
        source: Some(Box::new(changed)),
    }
}

impl Failure {
    /// What a transaction failed with that another request of it broke.
    pub(crate) fn undone() -> Self {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT), None);
        Self::from(&error)
    }

    /// What a transaction fails with that could not read what it must know.
    pub(crate) fn unreadable(fault: &Fault) -> Self {
        Self {
            code: ErrorCode::Unknown,
            message: fault.to_string().into(),
            changed: None,
        }
    }

    /// What this failure means for a request whose transaction was rolled back, or never began.
    pub(crate) fn rolled_back(&self, operation: &str) -> StoreError {
        if let Some(changed) = &self.changed {
            return elsewhere(operation, changed.clone());
        }
        let source = Some(self.clone().into());
        match self.code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed => {
                let what = format!("`{operation}` found the database locked by another program");
                StoreError::Retryable { what, source }
            }
            ErrorCode::DiskFull => {
                let what = format!("`{operation}` found no room left for the database; free some");
                StoreError::Retryable { what, source }
            }
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                let what = format!("`{operation}` cannot write the database: it is read-only");
                StoreError::Retryable { what, source }
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                let what =
                    format!("`{operation}` found the database damaged; restore it from a backup");
                StoreError::Final { what, source }
            }
            ErrorCode::TooBig => StoreError::Refused {
                what: format!("`{operation}` was given a value that is too large for SQLite"),
            },
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::SchemaChanged => {
                let what = format!("`{operation}` could not use the database");
                StoreError::Retryable { what, source }
            }
            _ => StoreError::Final {
                what: format!("`{operation}` failed in a way that must not happen"),
                source,
            },
        }
    }

    /// What this failure of a COMMIT means. Only when SQLite says that it wrote nothing is that known.
    pub(crate) fn at_commit(&self, operation: &str) -> StoreError {
        if let Some(changed) = &self.changed {
            return StoreError::OutcomeUnknown {
                what: format!(
                    "`{operation}` was written to a file that is not at its path any more"
                ),
                source: Some(Box::new(changed.clone())),
            };
        }
        match self.code {
            ErrorCode::SystemIoFailure | ErrorCode::Unknown | ErrorCode::OutOfMemory => {
                StoreError::OutcomeUnknown {
                    what: format!("`{operation}` could not be confirmed"),
                    source: Some(self.clone().into()),
                }
            }
            _ => self.rolled_back(operation),
        }
    }
}

/// Why one request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    #[error(transparent)]
    Changed(#[from] FileChanged),
    /// A row that this version cannot read.
    #[error("row {row} of `{table}` cannot be read: {what}")]
    Row {
        table: &'static str,
        row: i64,
        what: String,
    },
    /// A value in a row that is not what this version keeps there.
    #[error("a row cannot be read: {0}")]
    Value(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => Self::Value(error),
            other => Self::Sqlite(other),
        }
    }
}

impl Fault {
    /// What it means for its request, which was rolled back.
    pub(crate) fn into_store_error(self, operation: &str) -> StoreError {
        match self {
            Self::Sqlite(error) => Failure::from(&error).rolled_back(operation),
            Self::Changed(changed) => elsewhere(operation, changed),
            Self::Row { .. } | Self::Value(_) => StoreError::Final {
                what: format!("`{operation}` found data that it cannot read"),
                source: Some(Box::new(self)),
            },
        }
    }
}

/// The answer of a store whose thread is gone.
pub(crate) fn closed(operation: &str) -> StoreError {
    StoreError::Final {
        what: format!("`{operation}` found the store's thread stopped; open the store anew"),
        source: None,
    }
}

/// The answer to a request that was accepted by a thread that then stopped.
pub(crate) fn unanswered(operation: &str) -> StoreError {
    StoreError::OutcomeUnknown {
        what: format!("`{operation}` was not answered, because the store's thread stopped"),
        source: None,
    }
}
