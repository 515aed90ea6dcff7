//! What several tests need.

use stent_store_postgres::{OpenError, PostgresOptions, PostgresStore};
use stent_test_postgres::{Cluster, Database, Options};

/// An empty database of the server that all tests share.
pub(crate) fn database() -> Database {
    stent_test_postgres::database().expect("a database for tests")
}

/// A server of one's own.
pub(crate) fn cluster(options: &Options) -> Cluster {
    Cluster::start(options).expect("a server for tests")
}

/// Options for a server of these tests, which waits for no disk.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions::from_url(url)
        .expect("a URL that the test made")
        .unsafe_durability(true)
        .listen(false)
}

pub(crate) async fn open(url: &str) -> PostgresStore {
    options(url).open().await.expect("it is to open")
}

/// An error's message with those of its causes, and its other form.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    format!("{} {error:?}", causes.join(": "))
}

/// Why a database is not opened.
pub(crate) async fn refusal(options: PostgresOptions) -> OpenError {
    options.open().await.expect_err("it is to be refused")
}
