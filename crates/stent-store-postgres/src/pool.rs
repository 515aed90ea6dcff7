//! Connections: handing them out, and throwing away what failed.
//!
//! **Invariant:** a connection whose state is unknown is never handed out again.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use deadpool_postgres::{
    ClientWrapper, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime,
};
use stent_core::{Epoch, StoreError};
use tokio_postgres::{
    Error, Row,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::{OpenError, error, options::PostgresOptions, tls};

/// When the server was started.
const READ_START: &str = include_str!("../sql/open/read_start.sql");

/// Which timeline the server writes.
const READ_TIMELINE: &str = include_str!("../sql/open/read_timeline.sql");

/// Why a server does not tell its timeline: it knows none, or tells it to others alone.
const UNTOLD: [SqlState; 3] = [
    SqlState::FEATURE_NOT_SUPPORTED,
    SqlState::INSUFFICIENT_PRIVILEGE,
    SqlState::UNDEFINED_FUNCTION,
];

/// What is known of the server that answers.
#[derive(Clone)]
struct Known {
    /// What each transaction asks after its settings, and fails at where the server was started since.
    guard: Arc<str>,
    epoch: Epoch,
}

/// A statement that divides by zero on any server but the one that was started at an instant. A standby that took over is another one, and so is
/// one that began from a backup.
fn guard(started_at: &str) -> Arc<str> {
    format!("SELECT 1 / (pg_postmaster_start_time() = '{started_at}+00'::timestamptz)::integer")
        .into()
}

/// A number for an instant, by the digits of its text.
fn digits_of(instant: &str) -> u64 {
    let digits = instant.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |number: u64, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        number.wrapping_mul(10).wrapping_add(digit)
    })
}

/// The connections of one store.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: deadpool_postgres::Pool,
    shared: Arc<Shared>,
}

struct Shared {
    /// What each transaction sets before anything else.
    settings: Arc<str>,
    known: RwLock<Known>,
    /// Whether statements are prepared once per connection. Ends for good when a pooler turns out not to keep track of them.
    is_prepared: AtomicBool,
    /// The types of parameters, by the text of the statement.
    types: Mutex<HashMap<String, Arc<[Type]>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.connections.status();
        f.debug_struct("Pool")
            .field("status", &status)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn known(&self) -> Known {
        let known = self.known.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Pool {
    /// A pool that makes connections when they are asked for.
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        let mut config = options.config.clone();
        let tls = tls::connector(options, &mut config)?;
        let timeout = Some(options.connect_wait());
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, tls, ManagerConfig { recycling_method });
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(options.pool_size.get())
            .wait_timeout(timeout)
            .create_timeout(timeout)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with timeouts has a runtime");
        Ok(Self {
            connections,
            shared: Arc::new(Shared {
                settings: "".into(),
                known: RwLock::new(Known {
                    guard: "".into(),
                    epoch: Epoch::default(),
                }),
                is_prepared: AtomicBool::new(options.prepared),
                types: Mutex::default(),
            }),
        })
    }

    /// The same connections, whose transactions begin with these settings, on a server that was started at this instant and is in this epoch.
    pub(crate) fn beginning_with(self, settings: Arc<str>, started_at: &str, epoch: Epoch) -> Self {
        let is_prepared = AtomicBool::new(self.is_prepared());
        let guard = guard(started_at);
        let shared = Arc::new(Shared {
            settings,
            known: RwLock::new(Known { guard, epoch }),
            is_prepared,
            types: Mutex::default(),
        });
        Self { shared, ..self }
    }

    /// Hands out a connection, at the latest when the timeout for connecting has passed.
    pub(crate) async fn get(&self, operation: &str) -> Result<Connection, StoreError> {
        let connection = self.get_raw().await;
        connection.map_err(|error| error::no_connection(operation, error))
    }

    /// As [`get`](Self::get), while the store is opened.
    pub(crate) async fn take_connection(
        &self,
        options: &PostgresOptions,
    ) -> Result<Connection, OpenError> {
        let connection = self.get_raw().await;
        connection.map_err(|error| error::connecting(options, error))
    }

    async fn get_raw(&self) -> Result<Connection, PoolError> {
        let object = self.connections.get().await?;
        let epoch = self.shared.known().epoch;
        Ok(Connection {
            object: Some(object),
            shared: Arc::clone(&self.shared),
            epoch: AtomicU64::new(epoch.0),
            is_kept: false,
        })
    }

    fn is_prepared(&self) -> bool {
        self.shared.is_prepared.load(Ordering::Relaxed)
    }
}

/// A connection in use. It is thrown away when it is dropped, unless it was said to be kept: whoever is dropped in the middle of something leaves no
/// half of it to the next.
pub(crate) struct Connection {
    /// Taken when it is dropped, and not before.
    object: Option<Object>,
    shared: Arc<Shared>,
    /// Of the server on which its transaction began.
    epoch: AtomicU64,
    is_kept: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Deref for Connection {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        self.object
            .as_ref()
            .expect("a connection has its object until it is dropped")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if (!self.is_kept || thread::panicking())
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}

/// A statement that can be run on the connection that it was prepared on.
#[derive(Clone)]
pub(crate) enum Statement {
    /// The server keeps it for the connection.
    Kept(tokio_postgres::Statement),
    /// It is sent as a whole each time, because a pooler would look for it at another server connection.
    Sent { text: Arc<str>, types: Arc<[Type]> },
}

impl Connection {
    /// Hands the connection out again once it is dropped: all that was begun on it is over.
    pub(crate) const fn keep(&mut self) {
        self.is_kept = true;
    }

    /// The epoch of the server on which its transaction began; before that, of the one that is known.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    /// Begins a transaction with a text of `BEGIN`, and sets what promises depend on. Fails with a division by zero where the server was started
    /// since [`know_server`](Self::know_server).
    pub(crate) async fn begin(&self, text: &str) -> Result<(), Error> {
        let Known { guard, epoch } = self.shared.known();
        self.epoch.store(epoch.0, Ordering::Relaxed);
        self.batch_execute(&format!("{text};{};{guard}", self.shared.settings))
            .await
    }

    /// Takes the server that answers now for the one to work with, unless another has done so already. What was known of the one before is forgotten
    /// first: whoever begins on this one begins with nothing.
    pub(crate) async fn know_server(&self, forget: impl FnOnce()) -> Result<(), Error> {
        let row = self.query_typed_one(READ_START, &[]).await?;
        let started_at: &str = row.try_get(0)?;
        let guard = guard(started_at);
        let epoch = self.read_epoch(started_at).await?;
        let known = self.shared.known.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.guard != guard {
            forget();
            *known = Known { guard, epoch };
        }
        Ok(())
    }

    /// The epoch of the server: the number of its timeline. One that does not tell it is taken for another past after each start, since it might be.
    pub(crate) async fn read_epoch(&self, started_at: &str) -> Result<Epoch, Error> {
        let read = self.query_typed_one(READ_TIMELINE, &[]).await;
        let timeline = match read {
            Ok(row) => u64::from_str_radix(row.try_get(0)?, 16).ok(),
            Err(error) if error.code().is_some_and(|code| UNTOLD.contains(code)) => None,
            Err(error) => return Err(error),
        };
        Ok(Epoch(timeline.unwrap_or_else(|| digits_of(started_at))))
    }

    /// Whether statements are prepared once per connection.
    pub(crate) fn keeps_statements(&self) -> bool {
        self.shared.is_prepared.load(Ordering::Relaxed)
    }

    /// A statement, prepared once per connection where that works.
    pub(crate) async fn prepared(&self, text: &str) -> Result<Statement, Error> {
        if self.keeps_statements() {
            let prepared = self.prepare_cached(text).await;
            return prepared
                .map(Statement::Kept)
                .inspect_err(|error| self.look_at(error));
        }
        let types = match self.types(text) {
            Some(types) => types,
            None => self.learn(text).await?,
        };
        Ok(Statement::Sent {
            text: text.into(),
            types,
        })
    }

    /// Runs a statement.
    pub(crate) async fn run(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        match statement {
            Statement::Kept(statement) => {
                let rows = self.query(statement, parameters).await;
                rows.inspect_err(|error| self.look_at(error))
            }
            Statement::Sent { text, types } => {
                let typed: Vec<_> = parameters
                    .iter()
                    .copied()
                    .zip(types.iter().cloned())
                    .collect();
                self.query_typed(text, &typed).await
            }
        }
    }

    fn types(&self, text: &str) -> Option<Arc<[Type]>> {
        let types = self
            .shared
            .types
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        types.get(text).cloned()
    }

    /// Asks the server for the types of a statement's parameters, and leaves nothing behind.
    ///
    /// In a transaction of its own it may meet a name that another program left on the server's connection; another name is tried then.
    async fn learn(&self, text: &str) -> Result<Arc<[Type]>, Error> {
        const NAMES_TRIED: u32 = 50;
        let mut left = NAMES_TRIED;
        let statement = loop {
            left = left.saturating_sub(1);
            match self.prepare(text).await {
                Err(error) if left > 0 && error.code() == Some(&SqlState::DUPLICATE_PSTATEMENT) => {
                }
                prepared => break prepared?,
            }
        };
        let types: Arc<[Type]> = statement.params().into();
        let mut known = self
            .shared
            .types
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(text.to_owned(), Arc::clone(&types));
        Ok(types)
    }

    /// Notices that a pooler hands prepared statements to other server connections.
    fn look_at(&self, error: &Error) {
        let is_lost = error.code().is_some_and(|code| {
            *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::DUPLICATE_PSTATEMENT
        });
        if is_lost && self.shared.is_prepared.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "a pooler in transaction mode does not keep track of prepared statements; going on without them \
                 (`prepared=false` in the URL, or PgBouncer 1.21 with `max_prepared_statements`)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_left_in_the_middle_is_not_handed_out_again() {
        let database = stent_test_postgres::database().expect("a database for tests");
        let options = PostgresOptions::from_url(database.url()).unwrap();
        let pool = Pool::new(&options.pool_size(NonZeroUsize::MIN)).unwrap();
        let mut first = pool.get("test").await.unwrap();
        let pid = "SELECT pg_backend_pid()";
        let before: i32 = first.query_one(pid, &[]).await.unwrap().get(0);
        first.keep();
        drop(first);

        let second = pool.get("test").await.unwrap();
        let same: i32 = second.query_one(pid, &[]).await.unwrap().get(0);
        assert_eq!(same, before);
        let waits = second.batch_execute("BEGIN; SELECT pg_sleep(600)");
        assert!(waits.now_or_never().is_none());
        drop(second);

        let third = pool.get("test").await.unwrap();
        let other: i32 = third.query_one(pid, &[]).await.unwrap().get(0);
        assert_ne!(other, before);
    }
}
