//! A worker process is killed with SIGKILL in the middle of a task; another one takes the task over when the lease ends. Prints a timeline.
//!
//! ```text
//! cargo run --example crash_recovery [DATABASE]
//! ```
//!
//! The program starts itself twice more, as worker processes. Each says on its standard output what its bodies do, so what is seen here is
//! what happened, and not what the database says. The first worker is killed while its step `label` runs. The second one replays the task's
//! history: `pack` is recorded and is not run again; `label` had not finished, so it is.

use std::{
    error::Error,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::{Parser, Subcommand};
use stent::prelude::*;

/// How long a dead worker's tasks wait for another. Short, so that you don't have to.
const LEASE: Duration = Duration::from_secs(2);

/// Whether this worker is the one that gets stuck, and is killed.
#[derive(Debug)]
struct GetsStuck(bool);

/// Packs a parcel and prints its label, each once.
#[durable]
async fn send_parcel(parcel: String, #[state] gets_stuck: Arc<GetsStuck>) -> stent::Result<String> {
    say("the task's body begins");
    let packed = stent::step("pack", || async {
        say("step `pack` runs");
        Ok::<_, stent::Error>(format!("{parcel}, packed"))
    })
    .await?;
    stent::step("label", || async {
        say("step `label` runs");
        if gets_stuck.0 {
            std::future::pending::<()>().await;
        }
        Ok::<_, stent::Error>(format!("{packed} and labelled"))
    })
    .await
}

/// A worker is killed in the middle of a task, and another one goes on
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
    Worker {
        database: PathBuf,
        #[arg(long)]
        stuck: bool,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match (options.command, options.database) {
        (Some(Part::Worker { database, stuck }), _) => work(&database, stuck).await,
        (None, Some(database)) => show(&database).await,
        (None, None) => show(&tempfile::tempdir()?.path().join("parcels.db")).await,
    }
}

/// What a worker process does: it works until it is killed, or its standard input ends.
async fn work(database: &Path, gets_stuck: bool) -> Result<(), Box<dyn Error>> {
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let worker = stent
        .worker()
        .register(functions![send_parcel])
        .state(Arc::new(GetsStuck(gets_stuck)))
        .lease_duration(LEASE)
        // A lease that runs out is no event that anyone is told of.
        .poll_interval(Duration::from_millis(100))
        .start()
        .await?;
    say("is ready");
    tokio::task::spawn_blocking(|| std::io::stdin().lines().last()).await?;
    worker.drain().await?;
    Ok(())
}

/// Tells the process that watches what happens here.
#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn say(what: &str) {
    // Standard output goes out line by line: a process that is killed next has said so.
    println!("{what}");
}

/// Starts both workers, kills the first, and prints what happens when.
async fn show(database: &Path) -> Result<(), Box<dyn Error>> {
    let timeline = Timeline::begin();
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let execution = stent.dispatch(send_parcel("a book".to_owned())).await?;
    timeline.add("you", "the task is dispatched");

    let mut first = Worker::start("worker 1", database, true)?;
    first.follow(&timeline, Some("step `label` runs"))?;
    first.process.kill()?;
    timeline.add("you", "kill -9 worker 1, in the middle of step `label`");
    first.follow(&timeline, None)?;
    first.process.wait()?;

    let mut second = Worker::start("worker 2", database, false)?;
    second.follow(&timeline, Some("is ready"))?;
    timeline.add(
        "you",
        &format!("wait: the lease of worker 1 ends {LEASE:?} after it was last renewed"),
    );
    second.follow(&timeline, Some("step `label` runs"))?;
    let result = execution.result().await?;
    timeline.add("you", &format!("the result: {result}"));
    drop(second.process.stdin.take());
    second.process.wait()?;
    Ok(())
}

/// Events with the seconds since the start.
struct Timeline(tokio::time::Instant);

impl Timeline {
    fn begin() -> Self {
        Self(tokio::time::Instant::now())
    }

    #[expect(clippy::print_stdout, reason = "an example talks to people")]
    fn add(&self, who: &str, what: &str) {
        println!("{:7.3} s  {who:<8}  {what}", self.0.elapsed().as_secs_f64());
    }
}

/// A worker process, and what it says.
struct Worker {
    name: &'static str,
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(name: &'static str, database: &Path, gets_stuck: bool) -> std::io::Result<Self> {
        let program: PathBuf = std::env::current_exe()?;
        let mut process = Command::new(program)
            .arg("worker")
            .arg(database)
            .args(gets_stuck.then_some("--stuck"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let says = process
            .stdout
            .take()
            .ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            name,
            process,
            says: BufReader::new(says).lines(),
        })
    }

    /// Adds what it says to the timeline, up to and with `last`; or until it says no more.
    fn follow(&mut self, timeline: &Timeline, last: Option<&str>) -> Result<(), Box<dyn Error>> {
        for line in self.says.by_ref() {
            let line = line?;
            timeline.add(self.name, &line);
            if last == Some(&*line) {
                return Ok(());
            }
        }
        match last {
            None => Ok(()),
            Some(last) => Err(format!("{} ended before it said `{last}`", self.name).into()),
        }
    }
}

impl Drop for Worker {
    /// Leaves no process behind, however the example ends. One that has ended already is fine.
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
