//! Stent's embedded store: one SQLite file, which several processes of one machine may use at once.
//!
//! | module | what it holds |
//! |---|---|
//! | `open`, `migrate`, `options` | whose file it is, its settings, its schema |
//! | `file_system` | whether machines share what it lies on |
//! | `place` | which files it is, and whether they are still there |
//! | `writer`, `queue` | the one thread that writes, and group commit |
//! | `reader` | the threads that read |
//! | `write` | what happens within a transaction: load, ask `stent-core`, save |
//! | `read` | pages, counts, histories |
//! | `session`, `lanes` | what the writer knows of the database while nobody else writes |
//! | `statements`, `rows` | every statement of `sql/`; rows and model, back and forth |
//! | `hints`, `watch` | lossy words to those who listen; noticing other processes' writes |
//! | `within` | dispatching in a transaction of the caller's |
//!
//! **Invariant:** every change of what exists goes through the writer's thread, in a transaction that holds the database's write lock from its
//! beginning; so whatever a rule was asked about still holds when its answer is saved. A caller's own transaction only makes executions, and SQLite
//! refuses its first write if anybody has written since it read.

mod clock;
mod error;
mod file_system;
mod lanes;
mod migrate;
mod open;
mod options;
mod place;
mod queue;
mod read;
mod reader;
mod rows;
mod session;
mod statements;
mod store;
mod watch;
mod within;
mod write;
mod writer;

pub use crate::{
    clock::SystemClock,
    error::OpenError,
    options::{SqliteOptions, Synchronous},
    place::FileChanged,
    store::{SqliteStore, WriteCounts},
    within::DispatchInError,
};
/// The driver, in the version whose transactions [`SqliteStore::dispatch_in`] takes.
pub use rusqlite;

/// The code of the guide is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sqlite.md")]
struct Guide;
