//! What the programs that measure peers share: what they are asked, how it is measured, and what they print.
//!
//! A program is asked `<workload> <database> <count> [way]` and prints one JSON object a line for each figure. What differs between peers is behind
//! the trait [`Peer`]; clock, loops and counting are here, so that all are measured alike, and as Stent is.
//!
//! **Invariant:** a workload counts what was done, in the bodies and in the database, and fails if that is not what it was to do.

pub mod body;
mod clock;
mod measure;

use std::{env, error::Error, fmt, future::Future, process::ExitCode};

use futures_util::future::try_join_all;
use serde_json::json;

/// What went wrong in a measurement: there is nothing to do about it but to say so.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A library that does durable work, on one fresh database.
pub trait Peer: Sized + Send + Sync + 'static {
    /// Where it promises or keeps less than Stent does, for whoever reads the figures; empty where nothing is known.
    const DIFFERS: &'static str;
    /// What it cannot do, with the reason.
    const CANNOT: &'static [(Workload, &'static str)] = &[];

    /// Opens the database and makes the tables.
    fn open(database: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Makes one call durable.
    fn dispatch(&self) -> impl Future<Output = Result> + Send;

    /// Makes many calls durable, as fast as the peer can: where it has no call for many, by many callers, and [`Peer::CANNOT`] says so.
    fn dispatch_all(&self, count: usize) -> impl Future<Output = Result> + Send {
        by_callers(self, count)
    }

    /// Starts a worker, configured for the workload, whose bodies call [`body::ran`] and nothing else. It runs until the program ends.
    fn work(&self, workload: Workload) -> impl Future<Output = Result> + Send;

    /// How many calls the database has that have not ended well.
    fn unfinished(&self) -> impl Future<Output = Result<usize>> + Send;

    /// Makes executions durable that wait for a worker, each with so many recorded steps one after the other; where a peer has such. Not timed.
    fn dispatch_steps(
        &self,
        _executions: usize,
        _each: usize,
    ) -> impl Future<Output = Result> + Send {
        async { Ok(()) }
    }

    /// Runs such executions to their end, or starts them first where none wait. The steps' bodies call [`body::ran`] and nothing else.
    fn steps(&self, _executions: usize, _each: usize) -> impl Future<Output = Result> + Send {
        async { Err("not written".into()) }
    }
}

/// Why a peer has no figure of [`Workload::DispatchInBulk`].
pub const NO_BULK: &str = "no call that starts many";

const DIRECT: &str = "what is started directly runs at once, and does not wait for a worker";

/// What cannot be done by calls that run where they are made.
pub const CANNOT_DIRECTLY: &[(Workload, &str)] = &[
    (Workload::Drain, DIRECT),
    (Workload::DispatchInBulk, DIRECT),
    (Workload::Dispatch32AtOnce, DIRECT),
];

/// Where calls run that are made directly, for [`Peer::DIFFERS`].
pub const RUNS_WITH_CALLER: &str = "the caller's process runs it; starts are in the time of steps";

/// How many callers there are where there are many.
pub const CALLERS: usize = 32;

/// Makes calls durable, each caller one after the other, all callers on one thread.
async fn by_callers(peer: &impl Peer, count: usize) -> Result {
    let callers = (0..CALLERS).map(|caller| async move {
        for _ in (caller..count).step_by(CALLERS) {
            peer.dispatch().await?;
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    try_join_all(callers).await?;
    Ok(())
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Calls that wait, then a worker, until all have ended.
    Drain,
    /// Many calls made durable at once.
    DispatchInBulk,
    /// Callers at once, each one call after the other.
    Dispatch32AtOnce,
    /// One call at a time to an idle worker, until the body starts.
    Latency,
    /// Executions with ten recorded steps each.
    Steps,
}

impl Workload {
    const ALL: [Self; 5] = [
        Self::Drain,
        Self::DispatchInBulk,
        Self::Dispatch32AtOnce,
        Self::Latency,
        Self::Steps,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::DispatchInBulk => "dispatch_in_bulk",
            Self::Dispatch32AtOnce => "dispatch_32_at_once",
            Self::Latency => "latency",
            Self::Steps => "steps",
        }
    }

    /// What is found by it.
    const fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Drain => &["drain"],
            Self::DispatchInBulk => &["dispatch_in_bulk"],
            Self::Dispatch32AtOnce => &["dispatch_32_at_once"],
            Self::Latency => &["latency_start_p50", "latency_start_p99"],
            Self::Steps => &["sequential_steps"],
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a program was asked.
#[derive(Debug)]
pub struct Asked {
    /// What to measure.
    pub workload: Workload,
    /// A URL of Postgres, or the path of a file of SQLite that is not there yet.
    pub database: String,
    /// How much of it.
    pub count: usize,
    /// Which way, for peers that have several; empty for the usual one.
    pub way: String,
}

impl Asked {
    fn read() -> Result<Self> {
        let usage = "usage: <workload> <database> <count> [way]";
        let mut arguments = env::args().skip(1);
        let name = arguments.next().ok_or(usage)?;
        let known = |workload: &Workload| workload.as_str() == name;
        Ok(Self {
            workload: Workload::ALL.into_iter().find(known).ok_or(usage)?,
            database: arguments.next().ok_or(usage)?,
            count: arguments.next().ok_or(usage)?.parse()?,
            way: arguments.next().unwrap_or_default(),
        })
    }

    /// Whether the database is one of Postgres.
    pub fn on_postgres(&self) -> bool {
        self.database.starts_with("postgres")
    }

    /// Measures a peer and prints what was found.
    ///
    /// # Errors
    /// When it did not do what it was to do.
    pub fn measure<P: Peer>(&self) -> Result {
        let cannot = P::CANNOT.iter().find(|(one, _)| *one == self.workload);
        if let Some((workload, why)) = cannot {
            for figure in workload.figures() {
                println!("{}", json!({"workload": figure, "why_not": why}));
            }
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let figures = runtime.block_on(measure::run::<P>(self))?;
        for figure in figures {
            println!(
                "{}",
                json!({
                    "workload": figure.workload,
                    "value": figure.value,
                    "unit": figure.unit,
                    "count": figure.count,
                    "differs": P::DIFFERS,
                })
            );
        }
        // A worker may be at work in the runtime, and nobody waits for it.
        runtime.shutdown_background();
        Ok(())
    }
}

/// The `main` of a program: reads what is asked, and has it measured.
pub fn main(measure: impl FnOnce(&Asked) -> Result) -> ExitCode {
    match Asked::read().and_then(|asked| measure(&asked)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}
