//! A worker process of a trial: what its bodies do is to write down that they run.

use std::{
    error::Error,
    io::{self, Read},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stent::{prelude::*, store::PostgresOptions};
use stent_chaos::history::{Body, Call, Event, Journal, Part, now};

/// How long a worker goes without looking for work, if no hint comes.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// For how long a process tries to start.
const STARTS: Duration = Duration::from_secs(60);
/// How long a body waits between two lines.
const TICK: Duration = Duration::from_millis(10);
/// Lines that a body writes after its first one, at most.
const TICKS_MAX: u32 = 30;

/// How long an order waits between its parts.
const REST: Duration = Duration::from_millis(20);

/// What a process of a trial is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Which process of the trial it is: the system gives the numbers of processes out again.
    pub(crate) process: u32,
    pub(crate) url: String,
    pub(crate) history: PathBuf,
    pub(crate) lease: Duration,
}

/// What bodies write to.
#[derive(Debug)]
pub(crate) struct Witness {
    process: u32,
    journal: Journal,
    bodies: AtomicU64,
}

/// Runs for a moment. Each of its lines is of another poll, so that each shows a lease that holds.
#[durable(max_concurrent = 3, retry(max_attempts = 1))]
pub(crate) async fn limited(call: Call, #[state] witness: Arc<Witness>) -> io::Result<Body> {
    let body = Body {
        process: witness.process,
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

impl Witness {
    /// Writes down what came of a part.
    fn did(&self, call: Call, part: Part, value: u64) -> io::Result<u64> {
        self.journal.write(Event::Did(call, part, value))?;
        Ok(value)
    }
}

/// A part of an order: it does something that differs whenever it is done.
#[durable(retry(max_attempts = 1))]
pub(crate) async fn does(
    call: Call,
    part: Part,
    #[state] witness: Arc<Witness>,
) -> io::Result<u64> {
    tokio::time::sleep(TICK).await;
    witness.did(call, part, fastrand::u64(..))
}

/// What came of an order: of its parts, and which body did the limited one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) parts: Vec<(Part, u64)>,
    pub(crate) limited: Body,
}

/// The parts of each order: two children at once, a child while it sleeps, a step with a random value, a signal.
pub(crate) const PARTS: [Part; 5] = [Part(1), Part(2), Part(3), Part(4), Part(5)];
/// The signal that each order waits for, which holds its call's number.
pub(crate) const GO: &str = "go";

/// Does a bit of everything.
#[durable(retry(max_attempts = 1))]
pub(crate) async fn order(call: Call, #[state] witness: Arc<Witness>) -> stent::Result<Receipt> {
    let [one, two, three, four, five] = PARTS;
    let (first, second) = tokio::try_join!(does(call, one), does(call, two))?;
    let while_asleep = does(call, three);
    let ((), third) = tokio::try_join!(stent::sleep(REST), while_asleep)?;
    let drawn = stent::random::<u64>()?;
    let fourth = stent::step("draw", async || witness.did(call, four, drawn)).await?;
    let fifth = stent::signal::<u64>(GO).await?;
    witness
        .did(call, five, fifth)
        .map_err(stent::Error::other)?;
    let limited = limited(call).await?;
    let values = [first, second, third, fourth, fifth];
    Ok(Receipt {
        parts: PARTS.into_iter().zip(values).collect(),
        limited,
    })
}

/// Opens the store, again and again as whoever supervises a process would start it again: the database may be away when it starts.
///
/// # Errors
/// When it cannot be opened for a minute.
pub(crate) async fn open(url: &str) -> Result<Stent, Box<dyn Error>> {
    let end = now() + STARTS;
    loop {
        match open_once(url).await {
            Err(_) if now() < end => tokio::time::sleep(POLL).await,
            opened => return opened,
        }
    }
}

/// Opens the store; a server with few connections, because a trial has many processes.
async fn open_once(url: &str) -> Result<Stent, Box<dyn Error>> {
    if !url.starts_with("postgres") {
        return Ok(Stent::open(url).await?);
    }
    let options = PostgresOptions::from_url(url)?.pool_size(NonZeroUsize::MIN.saturating_add(1));
    Ok(Stent::new(Arc::new(options.open().await?)))
}

/// Reads what this process is told.
///
/// # Errors
/// When that is not one line of JSON.
pub(crate) fn read_orders() -> Result<Orders, Box<dyn Error>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Waits until standard input ends.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn told_to_end() -> Result<(), Box<dyn Error>> {
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// Works until standard input ends.
///
/// # Errors
/// When the store cannot be opened, or the worker fails.
pub(crate) async fn work() -> Result<(), Box<dyn Error>> {
    let orders = read_orders()?;
    let witness = Witness {
        process: orders.process,
        journal: Journal::open(&orders.history)?,
        bodies: AtomicU64::new(0),
    };
    let worker = open(&orders.url)
        .await?
        .worker()
        .register(functions![does, limited, order])
        .state(Arc::new(witness))
        .lease_duration(orders.lease)
        .poll_interval(POLL)
        // It is the processes that are bad, not the tasks.
        .crash_limit(u32::MAX)
        .start()
        .await?;
    told_to_end().await?;
    worker.drain().await?;
    Ok(())
}
