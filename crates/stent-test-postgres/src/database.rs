//! The server that the tests of a process share, and empty databases of it.

use std::{
    env, process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{Cluster, Error, Options, Programs, programs};

/// The variable that names a server to use instead of a throwaway one. Its user must be allowed to make databases.
pub const URL_VARIABLE: &str = "STENT_TEST_POSTGRES_URL";

/// The server that this process's tests share.
#[derive(Debug)]
pub struct Server {
    url: String,
    programs: Programs,
    /// Held for its end.
    _cluster: Option<Cluster>,
}

/// The server that this process's tests share: that of `STENT_TEST_POSTGRES_URL`, or one that is started at the first call.
///
/// # Errors
/// Where PostgreSQL is missing or does not start; the message says what to do.
pub fn shared() -> Result<&'static Server, &'static Error> {
    static SHARED: OnceLock<Result<Server, Error>> = OnceLock::new();
    SHARED.get_or_init(Server::new).as_ref()
}

/// An empty database of the shared server.
///
/// # Errors
/// As [`shared`], and where the server makes none.
pub fn database() -> Result<Database, String> {
    let server = shared().map_err(|error| describe(error))?;
    server.database().map_err(|error| describe(&error))
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl Server {
    fn new() -> Result<Self, Error> {
        if let Ok(url) = env::var(URL_VARIABLE) {
            return Ok(Self {
                url,
                programs: Programs::find()?,
                _cluster: None,
            });
        }
        let cluster = Cluster::start(&Options::new())?;
        Ok(Self {
            url: cluster.url("postgres"),
            programs: cluster.programs().clone(),
            _cluster: Some(cluster),
        })
    }

    /// An empty database.
    ///
    /// # Errors
    /// What the server said.
    pub fn database(&'static self) -> Result<Database, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("stent_test_{}_{number}", process::id());
        // As a template that nobody connects to, and with the encoding that Stent needs, whatever the server's own is.
        let make = format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0");
        sql(&self.programs, &self.url, &make)?;
        Ok(Database {
            url: with_database(&self.url, &name),
            name,
            server: self,
        })
    }
}

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct Database {
    url: String,
    name: String,
    server: &'static Server,
}

impl Database {
    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL in it, each statement by itself; what it answered, without titles.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, text: &str) -> Result<String, Error> {
        sql(&self.server.programs, &self.url, text)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A server that is gone took the database along.
        sql(&self.server.programs, &self.server.url, &drop).unwrap_or_default();
    }
}

/// The same server's URL for another database.
fn with_database(url: &str, database: &str) -> String {
    let (server, parameters) = url
        .split_once('?')
        .map_or((url, None), |(server, rest)| (server, Some(rest)));
    let start = server.find("://").map_or(0, |at| at + 3);
    let end = server[start..]
        .find('/')
        .map_or(server.len(), |at| start + at);
    let mut url = format!("{}/{database}", &server[..end]);
    if let Some(parameters) = parameters {
        url.push('?');
        url.push_str(parameters);
    }
    url
}

/// Runs SQL by `psql`.
pub(crate) fn sql(programs: &Programs, url: &str, sql: &str) -> Result<String, Error> {
    let mut psql = programs.command("psql", "/".as_ref());
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set=ON_ERROR_STOP=1", "--dbname", url, "--command", sql]);
    programs::run(psql).map(|answer| answer.trim_end().to_owned())
}
