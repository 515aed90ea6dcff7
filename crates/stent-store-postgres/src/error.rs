//! What can go wrong: why a database was not opened, and what a failure of PostgreSQL means for a request.
//!
//! **Invariant:** what a failure means is decided by SQLSTATE codes and by where it happened, never by texts; and no password is in any text.

use std::{io, path::PathBuf, time::Duration};

use deadpool_postgres::PoolError;
use stent_core::StoreError;
use tokio_postgres::error::{Error, SqlState};

use crate::{SslMode, options::PostgresOptions};

/// Why a database was not opened. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The connection string cannot be read.
    #[error("the connection string cannot be read: {what}")]
    Url {
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The schema's name cannot be used.
    #[error("the schema name `{name}` cannot be used: {why}")]
    SchemaName {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A timeout is shorter or longer than PostgreSQL's can be.
    #[error("`{key}` cannot be {value:?}; give it from 1 ms to 24 days")]
    Timeout {
        /// The parameter.
        key: &'static str,
        /// Its value.
        value: Duration,
    },
    /// A pool of so many connections cannot be made.
    #[error(
        "`pool_size` cannot be {value}; give it from 1 to {}",
        crate::options::POOL_SIZE_MAX
    )]
    PoolSize {
        /// Its value.
        value: usize,
    },
    /// A file of certificates or of a key cannot be used.
    #[error("cannot use the file `{}` of `{key}`: {why}", .path.display())]
    TlsFile {
        /// The parameter that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The certificates and the key do not fit together, or the machine has no certificates of authorities.
    #[error("TLS cannot be used with the given certificates: {what}")]
    Tls {
        /// What does not fit.
        what: String,
    },
    /// The server could not be reached: an unknown host, a refused connection, a failed handshake, or no answer in time.
    #[error(
        "cannot connect to PostgreSQL at `{at}`; does it run there, and may this machine reach it?"
    )]
    Unreachable {
        /// Host and port.
        at: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused the user or the password.
    #[error(
        "PostgreSQL at `{at}` refused the user `{user}`; check the password, and `pg_hba.conf` on the server"
    )]
    Authentication {
        /// Host and port.
        at: String,
        /// The user.
        user: String,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// The database is missing.
    #[error("PostgreSQL at `{at}` has no database `{database}`; make it with `CREATE DATABASE`")]
    MissingDatabase {
        /// Host and port.
        at: String,
        /// The database.
        database: String,
    },
    /// All of the server's connections are taken.
    #[error(
        "PostgreSQL at `{at}` has no connection left; lower `pool_size` of the programs that use it, raise `max_connections`, or use a pooler"
    )]
    TooManyConnections {
        /// Host and port.
        at: String,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// The server is starting, stopping or recovering.
    #[error("PostgreSQL at `{at}` takes no connections just now; try again")]
    NotReady {
        /// Host and port.
        at: String,
        /// What the server said.
        #[source]
        source: Error,
    },
    /// The server is too old.
    #[error(
        "PostgreSQL at `{at}` is {found}; version {} or newer is needed",
        crate::open::SERVER_MIN
    )]
    ServerTooOld {
        /// Host and port.
        at: String,
        /// Its version.
        found: String,
    },
    /// The database keeps texts in an encoding that cannot hold every name and document.
    #[error(
        "the database has the encoding `{found}`; make one with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
    )]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// The server is a standby, or can only be read.
    #[error(
        "PostgreSQL at `{at}` can only be read: it is a standby, or in recovery; connect to the primary"
    )]
    ReadOnly {
        /// Host and port.
        at: String,
    },
    /// The role may not do what is needed.
    #[error(
        "the role `{user}` has not the rights it needs ({what}): a role that makes the schema needs `GRANT CREATE ON DATABASE`, \
         one that only uses it `GRANT USAGE ON SCHEMA` and rights on its tables and functions; `docs/postgres.md` has the statements"
    )]
    NoRights {
        /// The role.
        user: String,
        /// What the server said.
        what: String,
    },
    /// The schema was written by a newer version.
    #[error(
        "the schema `{schema}` is at version {found}, and this program knows versions up to {known}; nothing was changed: use a newer program"
    )]
    NewerSchema {
        /// The schema.
        schema: String,
        /// Its version.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// The schema is missing or old, and was not to be changed.
    #[error(
        "the schema `{schema}` is at version {found} (0: none), and this program needs version {needed}; \
         open it once with a role that may change it, and without `migrate=false`"
    )]
    OlderSchema {
        /// The schema.
        schema: String,
        /// Its version.
        found: i32,
        /// The version that is needed.
        needed: i32,
    },
    /// The schema holds something that is not Stent's.
    #[error(
        "the schema `{schema}` holds tables of another program; nothing was changed: give Stent a schema of its own with `?schema=…`"
    )]
    AnotherProgram {
        /// The schema.
        schema: String,
    },
    /// A migration that was applied is not the one that this program knows.
    #[error(
        "migration {number} of the schema `{schema}` was changed after it was applied; nothing was changed: use the program that made the schema"
    )]
    ChangedMigration {
        /// The schema.
        schema: String,
        /// The migration.
        number: i32,
    },
    /// Another program was changing the schema all the time.
    #[error(
        "another program is changing the schema `{schema}`, for longer than {waited:?}; try again"
    )]
    Locked {
        /// The schema.
        schema: String,
        /// How long this one waited.
        waited: Duration,
    },
    /// A transaction used a table all the time that a migration changes.
    #[error(
        "a transaction uses a table of the schema `{schema}` that is to be changed, for longer than {waited:?}; find it in `pg_stat_activity`, \
         a dump or a long report maybe, and try again when it has ended"
    )]
    TablesInUse {
        /// The schema.
        schema: String,
        /// How long this one waited.
        waited: Duration,
    },
    /// The server would lose acknowledged work when its machine stops.
    #[error(
        "PostgreSQL at `{at}` runs with `{setting} = off`, so that acknowledged work is lost when its machine stops; turn it on, \
         or accept that with `unsafe_durability=true`"
    )]
    NotDurable {
        /// Host and port.
        at: String,
        /// The setting.
        setting: &'static str,
    },
    /// No connection was made in time.
    #[error("no connection to PostgreSQL at `{at}` within {waited:?}")]
    TimedOut {
        /// Host and port.
        at: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The encrypted connection that was asked for could not be made.
    #[error(
        "cannot make the encrypted connection to PostgreSQL at `{at}` that `sslmode={mode}` asks for; nothing was sent unencrypted"
    )]
    NotEncrypted {
        /// Host and port.
        at: String,
        /// The `sslmode`.
        mode: SslMode,
        /// Why.
        #[source]
        source: Error,
    },
    /// PostgreSQL refused for another reason.
    #[error("cannot open the database at `{at}`")]
    Postgres {
        /// Host and port.
        at: String,
        /// What the server said.
        #[source]
        source: Error,
    },
}

impl OpenError {
    /// Whether the same call may succeed later, without anyone mending anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::TooManyConnections { .. }
                | Self::NotReady { .. }
                | Self::ReadOnly { .. }
                | Self::Locked { .. }
                | Self::TablesInUse { .. }
        )
    }
}

/// Hosts and ports of a server, to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Server(pub(crate) String);

/// Why no connection was made.
pub(crate) fn connecting(options: &PostgresOptions, error: PoolError) -> OpenError {
    match error {
        PoolError::Backend(error) => opening(options, error),
        PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => OpenError::TimedOut {
            at: options.server().0,
            waited: options.connect_wait(),
        },
    }
}

/// Why connecting, or a statement of opening, failed.
pub(crate) fn opening(options: &PostgresOptions, source: Error) -> OpenError {
    let at = options.server().0;
    let mode = options.ssl_mode;
    let user = options.user().to_owned();
    let Some(code) = source.code() else {
        let is_asked_for = !matches!(mode, SslMode::Disable | SslMode::Prefer);
        return match cause(&source) {
            Cause::Encryption => OpenError::NotEncrypted { at, mode, source },
            // The driver says so of a server that cannot encrypt.
            Cause::Other if is_asked_for && !source.is_closed() => {
                OpenError::NotEncrypted { at, mode, source }
            }
            Cause::Network | Cause::Other => OpenError::Unreachable {
                at,
                source: Box::new(source),
            },
        };
    };
    match (code.clone(), class(code)) {
        (SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION, _) => {
            OpenError::Authentication { at, user, source }
        }
        (SqlState::INVALID_CATALOG_NAME, _) => {
            let database = options.config.get_dbname().unwrap_or(&user).to_owned();
            OpenError::MissingDatabase { at, database }
        }
        (SqlState::TOO_MANY_CONNECTIONS, _) => OpenError::TooManyConnections { at, source },
        (SqlState::INSUFFICIENT_PRIVILEGE, _) => {
            let said = source.as_db_error().map(|error| error.message().to_owned());
            let what = said.unwrap_or_default();
            OpenError::NoRights { user, what }
        }
        (SqlState::READ_ONLY_SQL_TRANSACTION, _) => OpenError::ReadOnly { at },
        (_, "53" | "57" | "08") => OpenError::NotReady { at, source },
        _ => OpenError::Postgres { at, source },
    }
}

/// Where a failure without a code came from.
enum Cause {
    Network,
    Encryption,
    Other,
}

fn cause(error: &Error) -> Cause {
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return Cause::Encryption;
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            let is_tls = io
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>());
            return if is_tls {
                Cause::Encryption
            } else {
                Cause::Network
            };
        }
        next = error.source();
    }
    Cause::Other
}

/// What it means for a request that no connection was to be had.
pub(crate) fn no_connection(operation: &str, error: PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => rolled_back(operation, error),
        PoolError::Timeout(_) => StoreError::Retryable {
            what: format!("`{operation}` found no connection of the pool free in time"),
            source: Some(Box::new(error)),
        },
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::Final {
                what: format!("`{operation}` found the store closed; open it anew"),
                source: Some(Box::new(error)),
            }
        }
    }
}

/// What a failure means for a request whose transaction was rolled back, or never began.
pub(crate) fn rolled_back(operation: &str, error: Error) -> StoreError {
    let Some(code) = error.code().cloned() else {
        return retryable(
            format!("`{operation}` lost the connection to PostgreSQL"),
            error,
        );
    };
    match code {
        SqlState::TOO_MANY_CONNECTIONS => retryable(
            format!(
                "`{operation}` found no connection left on PostgreSQL; lower `pool_size`, raise `max_connections`, or use a pooler"
            ),
            error,
        ),
        SqlState::DISK_FULL => retryable(
            format!("`{operation}` found no room left on PostgreSQL's disk; free some"),
            error,
        ),
        SqlState::QUERY_CANCELED => retryable(
            format!("`{operation}` took longer than the statement timeout, or was cancelled"),
            error,
        ),
        SqlState::LOCK_NOT_AVAILABLE => retryable(
            format!("`{operation}` waited too long for another transaction's lock"),
            error,
        ),
        SqlState::READ_ONLY_SQL_TRANSACTION => retryable(
            format!("`{operation}` found PostgreSQL read-only: a standby, or in recovery"),
            error,
        ),
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => finally(
            format!("`{operation}` is not let in by PostgreSQL; check user and password"),
            error,
        ),
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => retryable(
            format!(
                "`{operation}` shares the server's connections through a pooler, and goes on without prepared statements"
            ),
            error,
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => finally(
            format!(
                "`{operation}` may not use the schema's tables; grant the role what the guide lists"
            ),
            error,
        ),
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME => finally(
            format!("`{operation}` found the schema gone or changed; open the store anew"),
            error,
        ),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => finally(
            format!("`{operation}` found the database damaged; restore it from a backup"),
            error,
        ),
        code => by_class(operation, class(&code), error),
    }
}

/// Its class: the first two characters.
fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// What the classes of <https://www.postgresql.org/docs/current/errcodes-appendix.html> mean that no single code above has told.
fn by_class(operation: &str, class: &str, error: Error) -> StoreError {
    match class {
        // Connection, transaction rolled back, resources, object in use, intervention by an operator, system.
        "08" | "40" | "53" | "55" | "57" | "58" => retryable(
            format!("`{operation}` could not use PostgreSQL just now"),
            error,
        ),
        // A value that PostgreSQL cannot keep, and a limit of the program.
        "22" | "54" => StoreError::Refused {
            what: format!(
                "`{operation}` was given a value that PostgreSQL cannot keep (SQLSTATE {})",
                error.code().map_or("", SqlState::code)
            ),
        },
        _ => finally(
            format!("`{operation}` failed in a way that must not happen"),
            error,
        ),
    }
}

/// What a failure of the COMMIT means. Only where PostgreSQL says that it rolled back is that known.
pub(crate) fn at_commit(operation: &str, error: Error) -> StoreError {
    let known = error
        .code()
        .is_some_and(|code| matches!(class(code), "23" | "25" | "40" | "42" | "55"));
    if known {
        rolled_back(operation, error)
    } else {
        StoreError::OutcomeUnknown {
            what: format!("`{operation}` could not be confirmed by PostgreSQL"),
            source: Some(Box::new(error)),
        }
    }
}

fn retryable(what: String, source: Error) -> StoreError {
    StoreError::Retryable {
        what,
        source: Some(Box::new(source)),
    }
}

fn finally(what: String, source: Error) -> StoreError {
    StoreError::Final {
        what,
        source: Some(Box::new(source)),
    }
}
