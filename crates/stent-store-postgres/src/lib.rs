//! Stent's store for many machines: one schema of a PostgreSQL database, which any number of processes use at once.
//!
//! | module | what it holds |
//! |---|---|
//! | `options`, `tls` | what may be set, by URL or by builder; how connections are encrypted and whom they trust |
//! | `open`, `migrate` | whether the server keeps what is promised; the schema |
//! | `pool` | connections: handing them out, and throwing away what failed |
//! | `listen` | hints from other processes, and to them |
//! | `error` | what a failure of PostgreSQL means |
//!
//! **Invariant:** a promise never depends on a setting that others made: each transaction begins with those that matter, and a server that
//! cannot keep a promise is refused when the store is opened.

mod error;
mod open;
mod options;
mod pool;
mod store;

pub use crate::{error::OpenError, options::PostgresOptions, store::PostgresStore};
