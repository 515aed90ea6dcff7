//! Durable functions for Rust, without a server.
//!
//! Put [`durable`](macro@durable) above an `async fn`, point it at a SQLite file, and its work survives crashes, restarts and deploys.
//!
#![cfg_attr(
    all(feature = "macros", feature = "worker"),
    doc = r#"
```no_run
use stent::prelude::*;

/// At most 4 at once, over all workers; retried with growing delays; each attempt bounded.
#[durable(max_concurrent = 4, retry(max_attempts = 5, initial_delay = "500ms"), timeout = "30s")]
async fn charge(cents: u64) -> Result<String, std::io::Error> {
    Ok(format!("receipt for {cents}"))
}

/// Calls another: what finished is remembered, and not done again after a crash.
#[durable]
async fn fulfil(order: String) -> stent::Result<String> {
    let receipt = charge(1_700).await?;
    stent::sleep("1s").await?; // were it a month, it would hold no thread, no lease and no memory
    Ok(format!("{order}: {receipt}"))
}

#[tokio::main]
async fn main() -> stent::Result<()> {
    let stent = Stent::open("sqlite:orders.db").await?;
    let worker = stent.worker().register(functions![charge, fulfil]).start().await?;

    let call = fulfil("order 17".to_owned()).idempotency_key("order-17");
    let execution = stent.dispatch(call).await?; // from here on it is done, whatever happens
    println!("{}", execution.result().await?);
    worker.drain().await?;
    Ok(())
}
```
"#
)]
//!
//! | feature | what it adds |
//! |---|---|
//! | `macros` (default) | [`durable`](macro@durable) and [`functions!`] |
//! | `worker` (default) | `stent.worker()`: running durable functions; a program that only dispatches does without |
//! | `sqlite` (default) | `sqlite:` URLs: the embedded store |
//! | `postgres` | `postgres:` URLs: the store for many machines |
//! | `memory` | `memory:` URLs: a store that is gone with its process |
//!
//! This crate only brings the others together; see there: [`Call`], [`Stent`], [`Handle`], [`sleep`], [`signal`](fn@signal), [`step`](fn@step).

mod open;
mod transaction;

#[doc(hidden)]
pub use stent_client::__private;
pub use stent_client::*;
#[cfg(feature = "macros")]
pub use stent_macros::{durable, functions};

/// The driver of PostgreSQL, in the version whose transactions [`DispatchIn::dispatch_in`] takes.
#[cfg(feature = "postgres")]
pub use stent_store_postgres::tokio_postgres;
/// The driver of SQLite, in the version whose transactions [`DispatchIn::dispatch_in`] takes.
#[cfg(feature = "sqlite")]
pub use stent_store_sqlite::rusqlite;

pub use crate::{
    open::{OpenError, OpenStent},
    transaction::{DispatchIn, Transaction},
};

/// What everyone needs: `use stent::prelude::*;`.
pub mod prelude {
    pub use stent_client::{Call, Durable, Handle, MapExt, StarmapExt, Stent};
    #[cfg(feature = "macros")]
    pub use stent_macros::{durable, functions};
    #[cfg(feature = "worker")]
    pub use stent_worker::{StentWorkers, Worker, WorkerBuilder};

    pub use crate::{open::OpenStent, transaction::DispatchIn};
}

/// Running durable functions: what `stent.worker()` gives, and what it can be handed.
#[cfg(feature = "worker")]
pub mod worker {
    pub use stent_worker::*;
}

/// The model and the [`Store`] trait: for those who look into a store, hand one in, or write one.
pub mod store {
    #[cfg(feature = "memory")]
    pub use stent_store_memory::MemoryStore;
    #[cfg(feature = "postgres")]
    pub use stent_store_postgres::{PostgresOptions, PostgresStore, SslMode};
    #[cfg(feature = "sqlite")]
    pub use stent_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};

    pub use stent_core::{
        limit::Limit,
        retry::RetryPolicy,
        signal::{NewSignal, SignalAnswer},
        store::*,
        *,
    };
}

/// The code of the pages that people read first, compiled.
#[cfg(all(doctest, feature = "macros", feature = "sqlite", feature = "worker"))]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/tutorial.md")]
    struct Tutorial;

    #[cfg(feature = "postgres")]
    #[doc = include_str!("../../../docs/plain-sql.md")]
    struct PlainSql;
}
