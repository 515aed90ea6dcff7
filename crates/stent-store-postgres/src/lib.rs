//! Stent's store for many machines: one schema of a PostgreSQL database, which any number of processes use at once.
//!
//! | module | what it holds |
//! |---|---|
//! | `options`, `tls` | what may be set, by URL or by builder; how connections are encrypted and whom they trust |
//! | `open`, `migrate` | whether the server keeps what is promised; the schema |
//! | `pool` | connections: handing them out, and throwing away what failed |
//! | `listen` | hints from other processes, and to them |
//! | `error`, `fault` | what a failure of PostgreSQL means |
//! | `statements`, `rows`, `lanes` | the SQL texts; rows and model, back and forth |
//! | `combine` | small requests that share a transaction |
//! | `transact`, `session`, `pipeline` | a transaction, what it knows and changes; statements that are sent together |
//! | `write`, `read` | what the store does, verb by verb |
//! | `within` | dispatching in a transaction of the caller's |
//!
//! **Invariant:** a promise never depends on a setting that others made: each transaction begins with those that matter, and a server that
//! cannot keep a promise is refused when the store is opened.

mod combine;
mod error;
mod fault;
mod lanes;
mod listen;
mod migrate;
mod open;
mod options;
mod pipeline;
mod pool;
mod read;
mod rows;
mod session;
mod shared;
mod statements;
mod store;
mod tls;
mod transact;
mod within;
mod write;

pub use crate::{
    error::OpenError,
    options::{PostgresOptions, SslMode, UnknownSslMode},
    store::PostgresStore,
    within::DispatchInError,
};
/// The driver, in the version whose transactions [`PostgresStore::dispatch_in`] takes.
pub use tokio_postgres;

/// What fuzzing reads and writes; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::listen::payload::{Heard, read as read_hint, write as write_hint};
}

/// The code of the guide is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/postgres.md")]
struct Guide;
