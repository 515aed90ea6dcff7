//! `max_concurrent = 1` over three worker processes: one body at a time, whichever process runs it. Prints the observed maximum.
//!
//! ```text
//! cargo run --example exclusive [DATABASE]
//! ```
//!
//! The witness is not the database: each body makes a file in a folder, counts the files that are there, and deletes its own. If two bodies ever
//! run at once, the later one of them counts both. To show that the witness can see, the same is done without a limit first.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use stent::prelude::*;

const WORKERS: usize = 3;
const TASKS: u32 = 24;

/// Where running bodies leave their files.
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
async fn exclusive(number: u32, #[state] witness: Arc<Witness>) -> io::Result<Seen> {
    look(&format!("exclusive-{number}"), &witness.0).await
}

/// As many at once as the workers run.
#[durable]
async fn unlimited(number: u32, #[state] witness: Arc<Witness>) -> io::Result<Seen> {
    look(&format!("unlimited-{number}"), &witness.0).await
}

/// Works for a moment, and counts who works beside.
async fn look(name: &str, witness: &Path) -> io::Result<Seen> {
    let own = witness.join(name);
    File::create_new(&own)?;
    let running_at_once = fs::read_dir(witness)?.count();
    tokio::time::sleep(Duration::from_millis(20)).await;
    fs::remove_file(own)?;
    Ok(Seen { process: std::process::id(), running_at_once })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", database, witness] => work(database, witness).await,
        [database] => show(Path::new(database)).await,
        _ => show(&tempfile::tempdir()?.path().join("exclusive.db")).await,
    }
}

/// What a worker process does: it works until its standard input ends.
async fn work(database: &str, witness: &str) -> Result<(), Box<dyn Error>> {
    let stent = Stent::open(&format!("sqlite:{database}")).await?;
    let worker = stent
        .worker()
        .register(functions![exclusive, unlimited])
        .state(Arc::new(Witness(witness.into())))
        .concurrency(4)
        .start()
        .await?;
    tokio::task::spawn_blocking(|| io::stdin().lines().last()).await?;
    worker.drain().await;
    Ok(())
}

/// Starts the workers, gives them work of both kinds, and prints what the bodies saw.
async fn show(database: &Path) -> Result<(), Box<dyn Error>> {
    let witness = tempfile::tempdir()?;
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let workers = (0..WORKERS)
        .map(|_| Worker::start(database, witness.path()))
        .collect::<io::Result<Vec<_>>>()?;

    let seen = run_all(&stent, (0..TASKS).map(unlimited)).await?;
    print("without a limit", &seen);
    let seen = run_all(&stent, (0..TASKS).map(exclusive)).await?;
    let most = print("with `max_concurrent = 1`", &seen);
    drop(workers);
    if most == 1 { Ok(()) } else { Err("the limit was exceeded".into()) }
}

async fn run_all<D: Durable<Output = Seen>>(
    stent: &Stent,
    calls: impl Iterator<Item = Call<D>>,
) -> stent::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for execution in stent.dispatch_all(calls).await? {
        seen.push(execution.result().await?);
    }
    Ok(seen)
}

/// Prints how many bodies each process ran, and gives the most that were seen at once.
#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn print(title: &str, seen: &[Seen]) -> usize {
    let mut by_process = BTreeMap::<u32, usize>::new();
    for body in seen {
        *by_process.entry(body.process).or_default() += 1;
    }
    let most = seen.iter().map(|body| body.running_at_once).max().unwrap_or(0);
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
        let _: io::Result<_> = self.0.wait().map(drop);
    }
}
