//! A complete store of one's own: what it takes to keep durable functions in a database that Stent does not know.
//!
//! ```text
//! cargo run --example custom_store
//! cargo test --example custom_store     # what every store must pass
//! ```
//!
//! Here the database is a few maps, and every question is answered by looking at everything. A real store has indexes in place of
//! the scans, a transaction in place of the lock, and not one rule more: all of them are functions of `stent-core`.
//! `docs/write-your-own-store.md` goes through it.
//!
//! | file | what |
//! |---|---|
//! | `tables.rs` | what is kept |
//! | `effects.rs` | what follows from a change of a task: the one place |
//! | `claim.rs`, `commit.rs`, `requests.rs` | load, ask a rule, save |
//! | `inspect.rs` | the read side |
//! | `store.rs` | the `Store` trait: a lock around all that |

mod claim;
mod commit;
mod effects;
mod inspect;
mod requests;
mod store;
mod tables;

use std::{error::Error, sync::Arc, time::SystemTime};

use stent::prelude::*;
use stent_core::{Clock, Timestamp};

use crate::store::ScanStore;

/// The store's clock: it decides what is due and which lease ran out.
#[derive(Debug)]
struct MachineClock;

impl Clock for MachineClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "somebody has to ask the machine; everyone else is handed this clock"
    )]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

/// At most two at once, whoever runs them.
#[durable(max_concurrent = 2)]
async fn square(number: u64) -> stent::Result<u64> {
    Ok(number.saturating_mul(number))
}

#[durable]
async fn sum_of_squares(numbers: Vec<u64>) -> stent::Result<u64> {
    Ok(square.map(numbers).await?.into_iter().sum())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to people")]
async fn main() -> Result<(), Box<dyn Error>> {
    let stent = Stent::new(Arc::new(ScanStore::new(Arc::new(MachineClock))));
    let functions = functions![square, sum_of_squares];
    let worker = stent.worker().register(functions).start().await?;
    let sum = stent.run(sum_of_squares((1..=10).collect())).await?;
    println!("The squares of 1 to 10 add up to {sum}, says a store that never heard of SQL.");
    worker.drain().await?;
    Ok(())
}

#[cfg(test)]
mod conformance {
    use std::sync::Arc;

    use stent_conformance::{Harness, ManualClock, Surroundings};
    use stent_core::Store;

    use crate::store::ScanStore;

    struct Fresh;

    #[async_trait::async_trait]
    impl Harness for Fresh {
        async fn open(&self, clock: Arc<ManualClock>) -> Arc<dyn Store> {
            Arc::new(ScanStore::new(clock))
        }

        /// It keeps nothing: a process that ends takes its maps along.
        async fn reopen(&self, _: Arc<ManualClock>) -> Option<Arc<dyn Store>> {
            None
        }

        async fn open_at_once(&self, _: usize, _: Arc<ManualClock>) -> Option<Vec<Arc<dyn Store>>> {
            None
        }

        fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
            Vec::new()
        }
    }

    stent_conformance::suite!(Fresh);
}
