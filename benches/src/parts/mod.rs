//! What this program does when a measurement started it as one of several processes: it gets ready, says so, waits until it is told to begin,
//! and says what it has done, one line of JSON for each. It ends with its standard input.
//!
//! **Invariant:** nothing here wakes up by itself while a worker is idle, unless it counts tasks: what an idle worker costs is measured here.

mod limit;
mod worker;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::{Result, stores::Address, usage::Usage};

/// What a process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Be a worker, and say how many tasks have ended.
    Work(Address),
    /// Be a worker, and say when bodies start; otherwise be still.
    Start(Address),
    /// Drain the limit's table by so many connections.
    PostgresDrain { url: String, connections: usize },
    /// Drain the limit's table.
    SqliteDrain { path: PathBuf, normal: bool },
    /// Claim a task of the limit's table at each notification.
    PostgresListen { url: String },
    /// Claim a task of the limit's table whenever another process wrote.
    SqliteWatch { path: PathBuf, normal: bool },
}

/// What a process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    Begin,
    /// Say what you have used.
    Usage,
}

/// What a process says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// It can begin.
    Ready,
    /// So many tasks have ended.
    Ended(u64),
    /// A body was started, at this moment of the monotonic clock.
    Started(i64),
    Used(Usage),
}

/// Batches in which the limit drains.
const BATCH: usize = 1_000;

/// Does a part, until its standard input ends.
pub(crate) async fn run(part: &str) -> Result {
    let mut orders = Orders::new();
    match serde_json::from_str(part)? {
        Part::Work(address) => worker::work(&address, &mut orders).await,
        Part::Start(address) => worker::start(&address, &mut orders).await,
        Part::PostgresDrain { url, connections } => {
            limit::drain_postgres(&url, connections, &mut orders).await
        }
        Part::SqliteDrain { path, normal } => limit::drain_sqlite(&path, normal, &mut orders).await,
        Part::PostgresListen { url } => limit::listen_on_postgres(&url, &mut orders).await,
        Part::SqliteWatch { path, normal } => limit::watch_sqlite(&path, normal, &mut orders).await,
    }
}

fn say(said: Said) -> Result {
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

/// What comes by standard input.
struct Orders(Lines<BufReader<Stdin>>);

impl Orders {
    fn new() -> Self {
        Self(BufReader::new(tokio::io::stdin()).lines())
    }

    /// The next one; none when it is time to end.
    async fn next(&mut self) -> Result<Option<Told>> {
        let line = self.0.next_line().await?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }

    /// Says that all is ready, and waits for the beginning.
    async fn begin(&mut self) -> Result {
        say(Said::Ready)?;
        match self.next().await? {
            Some(Told::Begin) => Ok(()),
            other => Err(format!("was told {other:?} instead of to begin").into()),
        }
    }

    /// Answers until it is time to end.
    async fn until_the_end(&mut self) -> Result {
        while let Some(told) = self.next().await? {
            if told == Told::Usage {
                say(Said::Used(Usage::of_this_process()?))?;
            }
        }
        Ok(())
    }
}
