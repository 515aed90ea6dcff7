//! A process that works on the database until its power goes: it says what it was told, and what it is about to do.
//!
//! **Invariant:** a line is one write to a file that is open for appending, and nothing follows from what is said before it is written.

use std::{
    error::Error,
    fs::File,
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use stent::{
    ExecutionId,
    prelude::*,
    rusqlite::{self, Connection},
    store::{SqliteOptions, StateKind, Synchronous},
    worker::WorkerBuilder,
};
use stent_chaos::{
    history::Call,
    power::judge::{Ending, Key, Saying, Signal},
    process::Process,
};

use super::recording::was_killed;

/// The signal that an order waits for.
pub(super) const GO: &str = "go";
/// Clients that call at the same time.
const CLIENTS: usize = 4;
/// How long leases run: what a process was at that is killed goes on in the next one.
const LEASE: Duration = Duration::from_secs(1);

/// What a process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) database: PathBuf,
    /// Where it says what there is to say.
    pub(super) said: PathBuf,
    /// Whether commits do not wait for the disk.
    pub(super) normal: bool,
    /// The calls that it makes.
    pub(super) calls: Range<u64>,
    /// Bytes of a large input.
    pub(super) large: usize,
    /// Whether there is but one client, who waits for no results, and no worker.
    pub(super) only_dispatches: bool,
    /// Calls that were asked for before and not acknowledged, to ask for again.
    pub(super) unknown: Vec<Call>,
    /// Calls that were acknowledged before, to look at.
    pub(super) earlier: Vec<(Call, ExecutionId)>,
    /// Whether another program moves the log into the database from time to time.
    pub(super) moves_the_log: bool,
    /// What another process does meanwhile.
    pub(super) twin: Option<Box<Orders>>,
}

/// Where is said what happens.
#[derive(Debug)]
pub(super) enum Witness {
    File(File),
    Memory(Mutex<Vec<Saying>>),
}

impl Witness {
    /// Says something, which is known for sure when this returns.
    pub(super) fn say(&self, saying: Saying) -> io::Result<()> {
        match self {
            Self::File(file) => {
                let mut line = serde_json::to_string(&saying)?;
                line.push('\n');
                let mut file = file;
                file.write_all(line.as_bytes())
            }
            Self::Memory(said) => {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push(saying);
                Ok(())
            }
        }
    }
}

/// Draws a key, pays under it, and waits to be let go.
#[durable]
pub(super) async fn order(call: Call, _filler: String) -> stent::Result<(Key, Signal)> {
    let draw = || async { Ok::<_, io::Error>(Key(fastrand::u32(..).into())) };
    let key = stent::step("key", draw).await?;
    pay(call, key).await?;
    Ok((key, stent::signal(GO).await?))
}

/// Says that it pays, which cannot be undone.
#[durable]
pub(super) async fn pay(call: Call, key: Key, #[state] witness: Arc<Witness>) -> io::Result<()> {
    witness.say(Saying::Pays(call, key))
}

/// The functions of this trial on a store, with their witness.
pub(super) fn worker(stent: &Stent, witness: &Arc<Witness>) -> WorkerBuilder {
    stent
        .worker()
        .register(functions![order, pay])
        .state(Arc::clone(witness))
        .lease_duration(LEASE)
        // It is the processes that are bad, not the tasks.
        .crash_limit(u32::MAX)
}

/// How an execution ended, if it has.
pub(super) async fn ending(handle: &Handle<order>) -> stent::Result<Option<Ending>> {
    Ok(match handle.try_result().await {
        Ok(returned) => returned.map(|(key, signal)| Ending::Returned(key, signal)),
        Err(_) if handle.state().await? == StateKind::Cancelled => Some(Ending::Cancelled),
        Err(_) if handle.state().await?.is_terminal() => Some(Ending::Failed),
        Err(error) => return Err(error),
    })
}

/// Does what standard input orders.
///
/// # Errors
/// When the store or the worker fails.
pub(crate) async fn live() -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let orders: Orders = serde_json::from_str(&line)?;
    let twin = match &orders.twin {
        Some(twin) => {
            let mut command = Command::new(std::env::current_exe()?);
            Some(Process::start(command.arg("power-life"), twin)?)
        }
        None => None,
    };
    let life = Life::begin(orders)?;
    life.look_back().await?;
    if life.orders.only_dispatches {
        life.client(0).await?;
    } else {
        let worker = worker(&life.stent, &life.witness).start().await?;
        let clients = (0..CLIENTS).map(|number| life.client(number));
        futures_util::future::try_join_all(clients).await?;
        worker.drain().await?;
    }
    if let Some(mut twin) = twin {
        let status = twin.end()?;
        if !status.success() && !was_killed(status) {
            return Err(format!("the other process ended with {status}").into());
        }
    }
    Ok(())
}

struct Life {
    orders: Orders,
    stent: Stent,
    witness: Arc<Witness>,
    next: AtomicU64,
}

impl Life {
    fn begin(orders: Orders) -> Result<Self, Box<dyn Error>> {
        let said = File::options().append(true).open(&orders.said)?;
        let synchronous = if orders.normal {
            Synchronous::Normal
        } else {
            Synchronous::Full
        };
        let store = SqliteOptions::new(&orders.database).synchronous(synchronous);
        Ok(Self {
            stent: Stent::new(Arc::new(store.open()?)),
            witness: Arc::new(Witness::File(said)),
            next: AtomicU64::new(orders.calls.start),
            orders,
        })
    }

    /// Asks again for what was not acknowledged, and looks at what was: what is there already must be safe before it is acknowledged or shown,
    /// though nothing is written for that.
    async fn look_back(&self) -> Result<(), Box<dyn Error>> {
        for call in &self.orders.unknown {
            self.dispatch(*call, 0).await?;
        }
        for (call, execution) in &self.orders.earlier {
            if let Some(ending) = ending(&self.stent.handle(*execution)).await? {
                self.witness.say(Saying::Shown(*call, ending))?;
            }
        }
        Ok(())
    }

    /// Makes calls, one after the other, until all are made.
    async fn client(&self, number: usize) -> Result<(), Box<dyn Error>> {
        let mut random = Rng::with_seed(self.orders.calls.start + number as u64);
        loop {
            let call = Call(self.next.fetch_add(1, Ordering::Relaxed));
            if !self.orders.calls.contains(&call.0) {
                return Ok(());
            }
            self.call(call, &mut random).await?;
            if number == 0 && self.orders.moves_the_log {
                self.move_the_log(&mut random).await?;
            }
        }
    }

    async fn call(&self, call: Call, random: &mut Rng) -> Result<(), Box<dyn Error>> {
        let say = |saying| self.witness.say(saying);
        let bytes = match random.u32(..4) {
            0 => self.orders.large,
            _ => random.usize(..200),
        };
        let execution = self.dispatch(call, bytes).await?;
        match random.u32(..6) {
            _ if self.orders.only_dispatches => {}
            // What nobody signals goes on only after the loss of power.
            0 => {}
            1 => {
                execution.cancel().await?;
                say(Saying::Cancelled(call))?;
            }
            _ => {
                execution.signal(GO, &Signal::Early).await?;
                say(Saying::Signalled(call))?;
                let (key, signal) = execution.result().await?;
                say(Saying::Shown(call, Ending::Returned(key, signal)))?;
            }
        }
        Ok(())
    }

    async fn dispatch(&self, call: Call, bytes: usize) -> Result<Handle<order>, Box<dyn Error>> {
        self.witness.say(Saying::Asks(call))?;
        let asked = order(call, "x".repeat(bytes)).idempotency_key(call.0.to_string());
        let execution = self.stent.dispatch(asked).await?;
        self.witness.say(Saying::Dispatched(call, execution.id()))?;
        Ok(execution)
    }

    /// Does what any program on the file may do, such as `sqlite3`.
    async fn move_the_log(&self, random: &mut Rng) -> Result<(), Box<dyn Error>> {
        const MODES: [&str; 4] = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];
        let mode = MODES[random.usize(..MODES.len())];
        let (database, normal) = (self.orders.database.clone(), self.orders.normal);
        tokio::task::spawn_blocking(move || move_log(&database, mode, normal)).await??;
        Ok(())
    }
}

fn move_log(database: &Path, mode: &str, normal: bool) -> rusqlite::Result<()> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(LEASE)?;
    let synchronous = if normal { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Where others read or write, it does what it can.
    connection.pragma_query(None, "wal_checkpoint", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_checkpoint", mode, |_| Ok(()))
}
