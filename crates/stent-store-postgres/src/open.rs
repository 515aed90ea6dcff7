//! Opening: whether the server keeps what is promised, and how each transaction makes sure of it.
//!
//! What a role, a database or a pooler sets by default must not weaken a promise, so each transaction begins with the settings that matter
//! (`SET LOCAL`, sent together with its `BEGIN`; some 3 µs each, measured by pgbench). Startup parameters would be refused by a pooler, and a `SET` of the session
//! would stay with whoever gets the server's connection next.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    OpenError, error::opening, migrate, options::PostgresOptions, pool::Pool, statements::in_schema,
};

/// The oldest PostgreSQL that is known to do.
pub(crate) const SERVER_MIN: &str = "12";
const SERVER_MIN_NUMBER: i32 = 120_000;

/// Beyond this a transaction that its client forgot is rolled back by the server, its locks with it.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What the server says of itself and of the role's settings.
const READ_SERVER: &str = include_str!("../sql/open/read_server.sql");

/// Which installation this is.
const READ_INSTALLATION: &str = include_str!("../sql/open/read_installation.sql");

/// What was opened.
pub(crate) struct Opened {
    pub(crate) pool: Pool,
    pub(crate) installation: Uuid,
}

/// Connects, looks whether the server will do, and brings the schema up to date.
pub(crate) async fn open(options: &PostgresOptions) -> Result<Opened, OpenError> {
    options.check()?;
    let pool = Pool::new(options)?;
    let mut connection = pool.take_connection(options).await?;
    // Without a name, so that it passes any pooler.
    let row = in_time(options, connection.query_typed_one(READ_SERVER, &[])).await?;
    let found = Found::read(&row).map_err(|error| opening(options, error))?;
    found.check(options)?;
    migrate::migrate(options, &connection).await?;
    let read = in_schema(READ_INSTALLATION, &options.schema);
    let row = in_time(options, connection.query_typed_one(&read, &[])).await?;
    let installation = row.try_get(0).map_err(|error| opening(options, error))?;
    let epoch = in_time(options, connection.read_epoch(&found.started_at)).await?;
    connection.keep();
    drop(connection);
    let settings = settings(options, &found.synchronous_commit);
    let pool = pool.beginning_with(settings, &found.started_at, epoch);
    Ok(Opened { pool, installation })
}

/// What a statement of opening answers, if it does so within the time that connecting may take.
/// proven by silence::a_server_that_says_nothing_more_is_not_opened
pub(crate) async fn in_time<T>(
    options: &PostgresOptions,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, OpenError> {
    let waited = options.connect_wait();
    match tokio::time::timeout(waited, statement).await {
        Ok(answer) => answer.map_err(|error| opening(options, error)),
        Err(_) => {
            let at = options.server().0;
            Err(OpenError::TimedOut { at, waited })
        }
    }
}

struct Found {
    number: i32,
    version: String,
    encoding: String,
    is_in_recovery: bool,
    is_synced: bool,
    has_full_pages: bool,
    synchronous_commit: String,
    started_at: String,
}

impl Found {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            number: row.try_get(0)?,
            version: row.try_get(1)?,
            encoding: row.try_get(2)?,
            is_in_recovery: row.try_get(3)?,
            is_synced: row.try_get(4)?,
            has_full_pages: row.try_get(5)?,
            synchronous_commit: row.try_get(6)?,
            started_at: row.try_get(7)?,
        })
    }

    fn check(&self, options: &PostgresOptions) -> Result<(), OpenError> {
        let at = options.server().0;
        if self.number < SERVER_MIN_NUMBER {
            let found = self.version.clone();
            return Err(OpenError::ServerTooOld { at, found });
        }
        if self.encoding != "UTF8" {
            let found = self.encoding.clone();
            return Err(OpenError::Encoding { found });
        }
        if self.is_in_recovery {
            return Err(OpenError::ReadOnly { at });
        }
        for (name, is_on) in [
            ("fsync", self.is_synced),
            ("full_page_writes", self.has_full_pages),
        ] {
            if !is_on && !options.unsafe_durability {
                return Err(OpenError::NotDurable { at, setting: name });
            }
            if !is_on {
                tracing::warn!(
                    server = %at,
                    setting = name,
                    "the setting is off: acknowledged work is lost when the server's machine stops"
                );
            }
        }
        Ok(())
    }
}

/// What each transaction sets first. The level of `synchronous_commit` is kept, so that replicas which are waited for still are; only
/// `off`, with which an acknowledged commit may be lost, becomes `on`.
fn settings(options: &PostgresOptions, synchronous_commit: &str) -> Arc<str> {
    let synchronous_commit = match synchronous_commit {
        level @ ("local" | "remote_write" | "remote_apply") => level,
        _ => "on",
    };
    let bounds = timeouts(options.statement_timeout, options.lock_timeout);
    format!("{bounds};\nSET LOCAL synchronous_commit = {synchronous_commit}").into()
}

/// Bounds for the statements of a transaction.
fn timeouts(statement: Duration, lock: Duration) -> String {
    format!(
        "SET LOCAL statement_timeout = {};\nSET LOCAL lock_timeout = {};\n\
         SET LOCAL idle_in_transaction_session_timeout = {};\n\
         SET LOCAL search_path = pg_catalog;\nSET LOCAL standard_conforming_strings = on",
        statement.as_millis(),
        lock.as_millis(),
        IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
    )
}
