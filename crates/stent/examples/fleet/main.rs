//! A fleet on Postgres: several worker processes index a folder together, while one of them after the other is killed.
//!
//! ```text
//! cargo run --example fleet --features postgres                    # this repository, on a throwaway server
//! cargo run --example fleet --features postgres -- ~/Documents --workers 8 --kill-every 1s
//! cargo run --example fleet --features postgres -- --url postgres://me@db.example/trial?schema=fleet
//! cargo run --example fleet --features postgres -- --help
//! ```
//!
//! The work is that of `quickstart`, whose functions are used as they are: a task lists the files, a child task measures each (four at once,
//! over all processes), the last step writes a report. Here no process does all of it: the program starts itself again as worker processes
//! ([`workers`]), which share nothing but the database. Every few seconds one of them, drawn by `--seed`, is killed with SIGKILL, and a new one
//! takes its place. What it was doing is taken over when its leases end, also the task that makes the index.
//!
//! At the end it is proven ([`proof`]), by a log that the bodies write beside the database ([`journal`]) and by the report, that every file is
//! in the report once, and that the limit of four was never exceeded.

#[path = "../quickstart/files.rs"]
mod files;
#[path = "../quickstart/index.rs"]
mod index;
mod journal;
mod proof;
#[path = "../quickstart/report.rs"]
mod report;
mod screen;
mod watch;
mod worker;
mod workers;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Parser, Subcommand};
use stent::{
    prelude::*,
    store::{PostgresOptions, lease::LeaseDuration},
};
use stent_test_postgres::Cluster;

use crate::{
    files::Own,
    index::{Request, index_folder, measure_file},
    journal::{Event, Journal, Reader},
    report::Start,
    screen::Screen,
    watch::Watched,
    worker::Orders,
    workers::Workers,
};

/// How often the table is drawn.
const LOOK: Duration = Duration::from_millis(200);

/// Indexes a folder with several worker processes on one Postgres, and kills them one after the other
#[derive(Debug, Parser)]
#[command(
    name = "fleet",
    args_conflicts_with_subcommands = true,
    after_help = "The exit code is 0 if the proof at the end holds, 1 if not, and 130 if it was interrupted."
)]
struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// The folder to index; by default this repository
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), hide_default_value = true)]
    folder: PathBuf,
    /// The database; by default one on a throwaway server, which is gone at the end
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Worker processes that run at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How often one of them is killed; 0s for never
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = humantime::parse_duration)]
    kill_every: Duration,
    /// What decides who is killed; the same number gives the same order
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How long the work of a killed process waits before another one takes it over
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = lease)]
    lease: LeaseDuration,
    /// How long each file takes at least, so that there is something to see
    #[arg(long, value_name = "SPAN", default_value = "100ms", value_parser = humantime::parse_duration)]
    pace: Duration,
    /// Where the report is kept; by default it is gone at the end
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the log of the bodies is kept; by default it is gone at the end
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// What the program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Worker,
}

fn lease(text: &str) -> Result<LeaseDuration, Box<dyn Error + Send + Sync>> {
    Ok(LeaseDuration::new(humantime::parse_duration(text)?)?)
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        Some(Part::Worker) => worker::work().await.map(|()| ExitCode::SUCCESS),
        None => command(&options).await,
    };
    done.unwrap_or_else(|error| {
        print_error(&*error);
        ExitCode::FAILURE
    })
}

/// Where things are.
struct Places {
    folder: PathBuf,
    report: PathBuf,
    journal: PathBuf,
}

impl Places {
    fn find(options: &Options, temporary: &Path) -> io::Result<Self> {
        let or = |given: &Option<PathBuf>, name: &str| match given {
            Some(given) => std::path::absolute(given),
            None => Ok(temporary.join(name)),
        };
        let places = Self {
            folder: fs::canonicalize(&options.folder)?,
            report: or(&options.report, "report.md")?,
            journal: or(&options.journal, "journal.jsonl")?,
        };
        // What an earlier fleet has said would count as said by this one.
        fs::write(&places.journal, "")?;
        Ok(places)
    }

    fn own(&self) -> Own {
        Own::new(&self.journal, &self.report)
    }
}

/// Starts everything, watches it to its end, and proves what there is to prove.
async fn command(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let places = Places::find(options, temporary.path())?;
    let files = files::list(&places.folder, &places.own())?.files;
    let screen = Screen::new(options.workers.into());
    // Held until all is done: it ends with this value.
    let (url, _cluster) = database(options, &screen)?;
    let stent = Stent::new(Arc::new(PostgresOptions::from_url(&url)?.open().await?));
    screen.say(&format!(
        "indexing the {} files of {}",
        files.len(),
        places.folder.display()
    ));
    let request = Request {
        folder: places.folder.clone(),
        report: places.report.clone(),
        own: places.own(),
        by: Start::now(),
    };
    let execution = stent.dispatch(index_folder(request)).await?;
    let orders = Orders {
        url,
        journal: places.journal.clone(),
        lease: options.lease.get(),
        pace: options.pace,
    };
    let mut fleet = Fleet {
        workers: Workers::start(options.workers.into(), orders)?,
        journal: Journal::open(&places.journal)?,
        random: fastrand::Rng::with_seed(options.seed),
        watched: Watched::new(Reader::open(&places.journal)?, files.len()),
        screen,
    };
    let summary = tokio::select! {
        biased;
        summary = execution.result() => Some(summary?),
        failed = fleet.run(&stent, &execution, options.kill_every) => return Err(failed),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None)?,
    };
    let took = fleet.watched.elapsed();
    let Some(summary) = summary else {
        execution.cancel().await?;
        fleet.screen.finish();
        fleet.screen.say("interrupted; the index is cancelled");
        return Ok(ExitCode::from(130));
    };
    fleet.workers.end()?;
    fleet.screen.finish();
    fleet.screen.say(&format!(
        "{} files, {} lines and {} words in {:.1} s",
        summary.files,
        indicatif::HumanCount(summary.lines),
        indicatif::HumanCount(summary.words),
        took.as_secs_f64()
    ));
    prove(&fleet.screen, &places, &files)
}

/// The database to work on, and the server if it is one of our own.
fn database(
    options: &Options,
    screen: &Screen,
) -> Result<(String, Option<Cluster>), Box<dyn Error>> {
    if let Some(url) = &options.url {
        return Ok((url.clone(), None));
    }
    screen.say("starting a throwaway PostgreSQL server");
    let cluster = Cluster::start(&stent_test_postgres::Options::new().durable(true))?;
    Ok((cluster.url("postgres"), Some(cluster)))
}

/// The processes that work, and whoever watches and kills them.
struct Fleet {
    workers: Workers,
    journal: Journal,
    random: fastrand::Rng,
    watched: Watched,
    screen: Screen,
}

impl Fleet {
    /// Shows what goes on and kills from time to time, for as long as it is polled. Ends only with an error.
    async fn run(
        &mut self,
        stent: &Stent,
        execution: &Handle<index_folder>,
        kill_every: Duration,
    ) -> Box<dyn Error> {
        let mut killed_at = Duration::ZERO;
        loop {
            let round = async {
                tokio::time::sleep(LOOK).await;
                let now = self.watched.elapsed();
                if !kill_every.is_zero() && now.saturating_sub(killed_at) >= kill_every {
                    killed_at = now;
                    self.kill_one()?;
                }
                if let Some((process, status)) = self.workers.ended()? {
                    return Err(
                        format!("worker process {process} ended by itself: {status}").into(),
                    );
                }
                let view = self
                    .watched
                    .look(stent, execution.id(), &self.workers)
                    .await?;
                self.screen.show(&view);
                Ok(())
            };
            if let Err(error) = round.await {
                return error;
            }
        }
    }

    /// Kills one, and says so: in the log before it happens, for what the log says afterwards of that process does not count.
    fn kill_one(&mut self) -> io::Result<()> {
        let number = self.random.usize(..self.workers.places().len());
        let process = self.workers.places()[number].id();
        let leases = self.watched.leases_of(process);
        self.journal.add(process, Event::Killed)?;
        self.workers.replace(number)?;
        let leases = match leases {
            0 => "no lease".to_owned(),
            1 => "1 lease".to_owned(),
            leases => format!("{leases} leases"),
        };
        let at = self.watched.elapsed().as_secs_f64();
        self.screen.say(&format!(
            "{at:6.1} s  kill -9 {process}, which held {leases}"
        ));
        Ok(())
    }
}

/// Says what is proven, and fails if anything is not.
fn prove(screen: &Screen, places: &Places, files: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let mut log = Reader::open(&places.journal)?;
    log.read()?;
    let seen = proof::look(&log.lines);
    let limit = measure_file::definition().limit;
    let limit = limit.ok_or("`measure_file` has no limit to prove")?;
    let limit = limit.max_concurrent.get() as usize;
    let not_once = proof::not_once(&fs::read_to_string(&places.report)?, files);

    screen.say("\nproof, by the log that the bodies wrote beside the database, and by the report");
    let say = |holds: bool, what: String| {
        screen.say(&format!(
            "{}  {what}",
            if holds { "   ok" } else { "WRONG" }
        ));
        holds
    };
    let once = files.len() - not_once.len();
    let is_complete = say(
        not_once.is_empty(),
        format!(
            "each file is in the report exactly once: {once} of {}",
            files.len()
        ),
    );
    for (file, times) in not_once.iter().take(10) {
        screen.say(&format!(
            "       `{}` is in it {times} times",
            file.escape_debug()
        ));
    }
    let is_limited = say(
        seen.at_once <= limit,
        format!(
            "`measure_file` ran at most {} times at once, over all processes; its limit is {limit}",
            seen.at_once
        ),
    );
    screen.say(&format!(
        "       {} of its {} bodies were cut off by {} kills, and begun anew elsewhere",
        seen.cut_off, seen.bodies, seen.killed
    ));
    Ok(if is_complete && is_limited {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(clippy::print_stderr, reason = "an example talks to people")]
fn print_error(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
