//! `max_concurrent = 1` over three worker processes: one body at a time, whichever process runs it. Prints the observed maximum.
//!
//! ```text
//! cargo run --example exclusive [DATABASE]
//! ```
//!
//! The witness is not the database: each body takes the first of some lock files that is free. If two bodies ever run at once, one of them finds
//! the first one taken. To show that the witness can see, the same is done without a limit first.
//!
//! Halfway, the process that works is killed with SIGKILL. Its slot is free again when its lease ends, and another process goes on.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use stent::prelude::*;

const WORKERS: usize = 3;
const TASKS: u32 = 24;
/// How long a killed process keeps its slot. Short, so that you don't have to wait.
const LEASE: Duration = Duration::from_secs(1);

/// Where the lock files are.
#[derive(Debug)]
struct Witness(PathBuf);

/// What one body saw.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    process: u32,
    running_at_once: usize,
}

/// One at a time, over all workers on the database.
#[durable(max_concurrent = 1)]
async fn exclusive(_number: u32, #[state] witness: Arc<Witness>) -> io::Result<Seen> {
    look(&witness.0).await
}

/// As many at once as the workers run.
#[durable]
async fn unlimited(_number: u32, #[state] witness: Arc<Witness>) -> io::Result<Seen> {
    look(&witness.0).await
}

/// Works for a moment, and looks who works beside.
async fn look(witness: &Path) -> io::Result<Seen> {
    let (_lock, running_at_once) = take_lock(witness)?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(Seen {
        process: std::process::id(),
        running_at_once,
    })
}

/// Takes the first lock that is free, and gives its number, from 1. The system gives it back, also if the process is killed.
fn take_lock(witness: &Path) -> io::Result<(File, usize)> {
    let mut number = 1;
    loop {
        let lock = File::create(witness.join(number.to_string()))?;
        match lock.try_lock() {
            Ok(()) => return Ok((lock, number)),
            Err(TryLockError::WouldBlock) => number += 1,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// One at a time, over three worker processes
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Part>,
    /// The database; by default one that is gone when it ends
    database: Option<PathBuf>,
}

/// What the program starts itself as.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Worker { database: PathBuf, witness: PathBuf },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match (options.command, options.database) {
        (Some(Part::Worker { database, witness }), _) => work(&database, witness).await,
        (None, Some(database)) => show(&database).await,
        (None, None) => show(&tempfile::tempdir()?.path().join("exclusive.db")).await,
    }
}

/// What a worker process does: it works until its standard input ends.
async fn work(database: &Path, witness: PathBuf) -> Result<(), Box<dyn Error>> {
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let worker = stent
        .worker()
        .register(functions![exclusive, unlimited])
        .state(Arc::new(Witness(witness)))
        .concurrency(4)
        .lease_duration(LEASE)
        .start()
        .await?;
    tokio::task::spawn_blocking(|| io::stdin().lines().last()).await?;
    worker.drain().await?;
    Ok(())
}

/// Starts the workers, gives them work of both kinds, and prints what the bodies saw.
async fn show(database: &Path) -> Result<(), Box<dyn Error>> {
    let witness = tempfile::tempdir()?;
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let mut workers = (0..WORKERS)
        .map(|_| Worker::start(database, witness.path()))
        .collect::<io::Result<Vec<_>>>()?;

    let mut seen = Vec::new();
    for execution in stent.dispatch_all((0..TASKS).map(unlimited)).await? {
        seen.push(execution.result().await?);
    }
    print("without a limit", &seen);

    let mut seen = Vec::new();
    let executions = stent.dispatch_all((0..TASKS).map(exclusive)).await?;
    let (first_half, second_half) = executions.split_at(executions.len() / 2);
    for execution in first_half {
        seen.push(execution.result().await?);
    }
    if let Some(last) = seen.last() {
        kill(&mut workers, last.process)?;
    }
    for execution in second_half {
        seen.push(execution.result().await?);
    }
    match print("with `max_concurrent = 1`", &seen) {
        1 => Ok(()),
        _ => Err("the limit was exceeded".into()),
    }
}

/// Kills a worker process with SIGKILL.
#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn kill(workers: &mut [Worker], process: u32) -> io::Result<()> {
    match workers.iter_mut().find(|worker| worker.0.id() == process) {
        Some(worker) => {
            println!("killing process {process}");
            worker.0.kill()
        }
        None => Ok(()),
    }
}

/// Prints how many bodies each process ran, and gives the most that were seen at once.
#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn print(title: &str, seen: &[Seen]) -> usize {
    let mut by_process = BTreeMap::<u32, usize>::new();
    for body in seen {
        *by_process.entry(body.process).or_default() += 1;
    }
    let most = seen
        .iter()
        .map(|body| body.running_at_once)
        .max()
        .unwrap_or(0);
    println!("{title}: {} tasks, at most {most} at once", seen.len());
    for (process, bodies) in by_process {
        println!("  process {process:<8} ran {bodies}");
    }
    most
}

/// A worker process. Dropping it ends it.
struct Worker(Child);

impl Worker {
    fn start(database: &Path, witness: &Path) -> io::Result<Self> {
        Command::new(std::env::current_exe()?)
            .arg("worker")
            .args([database, witness])
            .stdin(Stdio::piped())
            .spawn()
            .map(Self)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}
