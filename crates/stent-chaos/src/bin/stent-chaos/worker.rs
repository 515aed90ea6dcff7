//! A worker process of a trial: what its bodies do is to write down that they run.

use std::{
    error::Error,
    io::{self, Read},
    num::NonZeroUsize,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stent::{prelude::*, store::PostgresOptions};
use stent_chaos::history::{Body, Call, Event, Journal};

/// How long a worker goes without looking for work, if no hint comes.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// How long a body waits between two lines.
const TICK: Duration = Duration::from_millis(10);
/// Lines that a body writes after its first one, at most.
const TICKS_MAX: u32 = 30;

/// What a worker process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) history: PathBuf,
    pub(crate) lease: Duration,
}

/// What bodies write to.
#[derive(Debug)]
pub(crate) struct Witness {
    journal: Journal,
    bodies: AtomicU64,
}

/// Runs for a moment. Each of its lines is of another poll, so that each shows a lease that holds.
#[durable(max_concurrent = 3, retry(max_attempts = 1))]
pub(crate) async fn limited(call: Call, #[state] witness: Arc<Witness>) -> io::Result<Body> {
    let body = Body {
        process: process::id(),
        number: witness.bodies.fetch_add(1, Ordering::Relaxed),
    };
    witness.journal.write(Event::Begins(call, body))?;
    for _ in 1..fastrand::u32(1..=TICKS_MAX) {
        tokio::time::sleep(TICK).await;
        witness.journal.write(Event::Ticks(body))?;
    }
    tokio::time::sleep(TICK).await;
    witness.journal.write(Event::Ends(body))?;
    Ok(body)
}

/// Opens the store, with few connections: a trial has many processes.
///
/// # Errors
/// When it cannot be opened.
pub(crate) async fn open(url: &str) -> Result<Stent, Box<dyn Error>> {
    let options = PostgresOptions::from_url(url)?.pool_size(NonZeroUsize::MIN.saturating_add(1));
    Ok(Stent::new(Arc::new(options.open().await?)))
}

/// Works until standard input ends.
///
/// # Errors
/// When the store cannot be opened, or the worker fails.
pub(crate) async fn work() -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line)?;
    let witness = Witness {
        journal: Journal::open(&orders.history)?,
        bodies: AtomicU64::new(0),
    };
    let worker = open(&orders.url)
        .await?
        .worker()
        .register(functions![limited])
        .state(Arc::new(witness))
        .lease_duration(orders.lease)
        .poll_interval(POLL)
        // It is the processes that are bad, not the tasks.
        .crash_limit(u32::MAX)
        .start()
        .await?;
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    worker.drain().await?;
    Ok(())
}
