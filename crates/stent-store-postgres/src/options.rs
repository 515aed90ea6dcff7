//! What may be set: by a URL, by a key/value string as libpq reads it, or by methods.

use std::{
    fmt, num::NonZeroUsize, ops::RangeInclusive, path::PathBuf, str::FromStr, sync::Arc,
    time::Duration,
};

use stent_core::Clock;
use tokio_postgres::config::Host;

use crate::{OpenError, PostgresStore, error::Server, options::text::Pairs};

mod text;

/// Connections of one process: enough to keep two cores of the server busy, few enough that a fleet of 20 fits the server's default of 100.
const POOL_SIZE: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");
/// Beyond any server's `max_connections` that makes sense; room for all of them is made at once.
pub(crate) const POOL_SIZE_MAX: usize = 10_000;
/// How long connecting may take, and how long a request waits for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one statement may take on the server. Every statement of the store is bounded in rows; this bounds a server in trouble.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a statement waits for a lock: half of the statement's time, so that a caller learns that it was a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);
/// What both timeouts may be: PostgreSQL counts them in milliseconds, and takes zero for none.
const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(i32::MAX as u64);
/// How long a connection may be silent before the kernel asks whether its other end is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// How long data may stay unacknowledged before the kernel gives a connection up: a vanished server is noticed in this time.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that PostgreSQL keeps of a name (`NAMEDATALEN` - 1).
const NAME_MAX: usize = 63;

/// How connections are encrypted, and whom they trust. As libpq's `sslmode`, <https://www.postgresql.org/docs/current/libpq-ssl.html>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server can; what it shows is not checked, so this protects from nobody who can change traffic. The default, as libpq's.
    #[default]
    Prefer,
    /// Always; what the server shows is not checked, unless `sslrootcert` is given: then as `verify-ca`.
    Require,
    /// Always, and the server's certificate must come from an authority that is trusted.
    VerifyCa,
    /// As `verify-ca`, and the certificate must name the host.
    VerifyFull,
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        })
    }
}

/// How to open a database.
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use stent_store_postgres::PostgresOptions;
///
/// let options = PostgresOptions::from_url("postgres://orders@db.example/orders?sslmode=verify-full")?
///     .schema("stent_orders")?
///     .pool_size(NonZeroUsize::new(8).expect("not zero"))
///     .statement_timeout(Duration::from_secs(10));
/// # drop(options);
/// # Ok::<(), stent_store_postgres::OpenError>(())
/// ```
///
/// Its `Debug` form shows no password.
#[derive(Clone)]
#[must_use = "options open nothing until `open` is called"]
pub struct PostgresOptions {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) ssl_mode: SslMode,
    pub(crate) tls_files: TlsFiles,
    pub(crate) schema: Arc<str>,
    pub(crate) pool_size: NonZeroUsize,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) prepared: bool,
    pub(crate) migrate: bool,
    pub(crate) unsafe_durability: bool,
    pub(crate) listen: bool,
    /// Where to listen, when that is another address than where to work.
    pub(crate) listen_at: Option<Box<Self>>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

/// Files of certificates and keys, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Authorities that are trusted; without it, or with `system`, those that the machine trusts.
    pub(crate) root: Option<PathBuf>,
    /// The certificate that this client shows.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
}

impl PostgresOptions {
    /// Options from a URL (`postgres://user:password@host:port/database?key=value`, or `postgresql://`), or from a string of
    /// `key=value` pairs, both as libpq reads them; the guide lists the keys. Where none is given, the password is that of the environment's `PGPASSWORD`.
    ///
    /// # Errors
    /// [`OpenError::Url`] or [`OpenError::SchemaName`]; neither repeats what may be secret.
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        match Self::read(url)? {
            (options, Some(listen_url)) => options.listen_url(&listen_url),
            (options, None) => Ok(options),
        }
    }

    /// Reads a URL, and where to listen if it says so.
    fn read(url: &str) -> Result<(Self, Option<String>), OpenError> {
        let mut pairs = Pairs::read(url)?;
        let mut options = Self {
            config: tokio_postgres::Config::new(),
            ssl_mode: pairs.take_parsed("sslmode")?.unwrap_or_default(),
            tls_files: TlsFiles {
                root: pairs
                    .take("sslrootcert")
                    .filter(|path| path != "system")
                    .map(PathBuf::from),
                certificate: pairs.take("sslcert").map(PathBuf::from),
                key: pairs.take("sslkey").map(PathBuf::from),
            },
            schema: "stent".into(),
            pool_size: pairs.take_parsed("pool_size")?.unwrap_or(POOL_SIZE),
            statement_timeout: pairs
                .take_duration("statement_timeout")?
                .unwrap_or(STATEMENT_TIMEOUT),
            lock_timeout: pairs.take_duration("lock_timeout")?.unwrap_or(LOCK_TIMEOUT),
            prepared: pairs.take_parsed("prepared")?.unwrap_or(true),
            migrate: pairs.take_parsed("migrate")?.unwrap_or(true),
            unsafe_durability: pairs.take_parsed("unsafe_durability")?.unwrap_or(false),
            listen: pairs.take_parsed("listen")?.unwrap_or(true),
            listen_at: None,
            clock: None,
        };
        let schema = pairs.take("schema");
        let listen_url = pairs.take("listen_url");
        options.config = pairs.into_config()?;
        options.fill_in();
        if let Some(schema) = schema {
            options = options.schema(&schema)?;
        }
        Ok((options, listen_url))
    }

    /// Sets what neither the URL nor the driver has.
    fn fill_in(&mut self) {
        let config = &mut self.config;
        if config.get_hosts().is_empty() {
            let addresses = config.get_hostaddrs().to_vec();
            if addresses.is_empty() {
                config.host("localhost");
            }
            // A certificate may name an address.
            for address in addresses {
                config.host(address.to_string());
            }
        }
        if config.get_password().is_none() {
            // Where a server asks for one, it is the server that says that an empty one is wrong.
            config.password(std::env::var("PGPASSWORD").unwrap_or_default());
        }
        if config.get_application_name().is_none() {
            config.application_name("stent");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if config.get_keepalives_idle() > KEEPALIVE_IDLE {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
    }

    /// The schema that holds everything; several installations in one database take one each. Default `stent`, 1 to 63 bytes without `$`.
    ///
    /// # Errors
    /// [`OpenError::SchemaName`].
    pub fn schema(mut self, name: &str) -> Result<Self, OpenError> {
        check_schema(name)?;
        self.schema = name.into();
        Ok(self)
    }

    /// How many connections this process uses for work, beside one to listen. Default 4; at most 10,000.
    pub const fn pool_size(mut self, connections: NonZeroUsize) -> Self {
        self.pool_size = connections;
        self
    }

    /// How long connecting may take, and how long a request waits for a free connection before it fails as retryable. Default 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout(timeout);
        self
    }

    /// How long one statement may take before it fails as retryable. Default 30 s; from 1 ms to 24 days.
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long a statement waits for another program's lock before it fails as retryable. Default 15 s; from 1 ms to 24 days.
    pub const fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// The name by which the server shows the connections. Default `stent`.
    pub fn application_name(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// The password, so that it need not stand in the URL.
    pub fn password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// How connections are encrypted, and whom they trust. Default [`SslMode::Prefer`], as libpq's.
    pub const fn ssl_mode(mut self, mode: SslMode) -> Self {
        self.ssl_mode = mode;
        self
    }

    /// Whether statements are prepared once per connection. Default `true`. Behind a pooler in transaction mode that does not keep track of
    /// them (PgBouncer before 1.21, or with `max_prepared_statements = 0`) it turns itself off at the first failure; `false` saves that failure.
    pub const fn prepared(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    /// Whether opening makes the schema, and brings an old one up to date. Default `true`. With `false` a role without rights to do so suffices.
    pub const fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Whether a server that can lose acknowledged work when its machine stops (`fsync` or `full_page_writes` off) is used at all.
    /// Default `false`. For tests.
    pub const fn unsafe_durability(mut self, allowed: bool) -> Self {
        self.unsafe_durability = allowed;
        self
    }

    /// Whether this process listens to what others say, on a connection of its own. Default `true`. Without it work is found by polling.
    pub const fn listen(mut self, listen: bool) -> Self {
        self.listen = listen;
        self
    }

    /// Where to listen, when the store's own URL leads to a pooler in transaction mode, which never passes on what listeners hear.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn listen_url(mut self, url: &str) -> Result<Self, OpenError> {
        let (options, further) = Self::read(url)?;
        if further.is_some() {
            return Err(OpenError::Url {
                what: "`listen_url` has a `listen_url` of its own".to_owned(),
            });
        }
        self.listen_at = Some(Box::new(options));
        Ok(self)
    }

    /// A clock in place of the database's, for tests: it decides what is due and which lease ran out.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Opens the database; makes the schema if it is missing, and brings an older one up to date.
    ///
    /// # Errors
    /// As [`OpenError`] says. Any number of programs may open one database at once.
    pub async fn open(self) -> Result<PostgresStore, OpenError> {
        PostgresStore::open_with(self).await
    }

    /// Refuses what no pool could be made of, and what no transaction could begin with.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if self.pool_size.get() > POOL_SIZE_MAX {
            let value = self.pool_size.get();
            return Err(OpenError::PoolSize { value });
        }
        for (key, value) in [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
        ] {
            if !TIMEOUTS.contains(&value) {
                return Err(OpenError::Timeout { key, value });
            }
        }
        Ok(())
    }

    /// Hosts and ports, to be shown.
    pub(crate) fn server(&self) -> Server {
        let ports = self.config.get_ports();
        let hosts = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| {
                let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(host) => format!("{host}:{port}"),
                    Host::Unix(path) => format!("{}:{port}", path.display()),
                }
            });
        Server(hosts.collect::<Vec<_>>().join(","))
    }

    /// How long connecting may take.
    pub(crate) fn connect_wait(&self) -> Duration {
        let wait = self.config.get_connect_timeout().copied();
        wait.unwrap_or(CONNECT_TIMEOUT)
    }

    /// The user, to be shown.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("(the operating system's)")
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("server", &self.server().0)
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("ssl_mode", &self.ssl_mode)
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("statement_timeout", &self.statement_timeout)
            .field("prepared", &self.prepared)
            .field("migrate", &self.migrate)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A name of the five, and nothing near it: what was asked for never becomes less.
#[derive(Debug, thiserror::Error)]
#[error("it is one of `disable`, `prefer`, `require`, `verify-ca` and `verify-full`")]
pub struct UnknownSslMode;

impl FromStr for SslMode {
    type Err = UnknownSslMode;

    fn from_str(text: &str) -> Result<Self, UnknownSslMode> {
        match text {
            "disable" => Ok(Self::Disable),
            // `allow` would try without encryption first; with it first, no less is kept.
            "prefer" | "allow" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(UnknownSslMode),
        }
    }
}

fn check_schema(name: &str) -> Result<(), OpenError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_MAX {
        "PostgreSQL keeps 63 bytes of a name"
    } else if name.chars().any(char::is_control) {
        "it holds control characters"
    } else if name.contains('$') {
        "a `$` would end the text of its functions"
    } else if name.starts_with("pg_") || name == "information_schema" || name == "public" {
        "it belongs to the database; give Stent a schema of its own"
    } else {
        return Ok(());
    };
    let name = name.escape_debug().to_string();
    Err(OpenError::SchemaName { name, why })
}

#[cfg(test)]
mod tests;
