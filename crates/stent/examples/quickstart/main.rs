//! Indexes a folder, durably: the main job of Stent, on a real folder of files.
//!
//! ```text
//! cargo run --example quickstart                   # this repository
//! cargo run --example quickstart -- ~/Documents    # any folder
//! cargo run --example quickstart -- --help
//! ```
//!
//! `index_folder` ([`index`](mod@index)) lists the files ([`files`]), has each measured by a child task of its own (`measure_file`: four at once, over all
//! processes), and writes a report ([`report`]). Kill it at any moment, by `kill -9` too, and start it again: it goes on where it stopped, and
//! the report says how many files were done before and after. Start it a second time while it runs, and both share the work.
//!
//! A file that cannot be read, or vanishes, fails alone, and the report says why. Links are not followed; `.git` and `target` are left out.
//!
//! Where the state lies: a folder of your data folder (`~/.local/share/stent-quickstart`), one for each indexed folder, with the database and
//! the report. Nothing is written to the indexed folder, for two reasons: it is not ours, and a program that opens and closes an SQLite file by
//! any other way than SQLite drops the locks that its own process holds on it. So a database that lies in the folder all the same is
//! recognised, by device and inode, and not opened.

mod files;
mod index;
mod report;
mod screen;
mod state;

use std::{error::Error, io, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use stent::{
    prelude::*,
    store::{SqliteOptions, lease::LeaseDuration},
};

use crate::{
    files::Own,
    index::{PAYLOAD_LIMIT, Request, Watcher, index_folder, list_files, measure_file},
    report::{Start, Summary},
    screen::Screen,
};

/// Indexes a folder durably: killed at any moment and started again, it goes on where it stopped.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub(crate) struct Options {
    /// The folder to index; by default this repository
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), hide_default_value = true)]
    folder: PathBuf,
    /// Where the report goes; by default beside the database
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The database; by default one for each folder, in your data folder
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// How long the work of a killed process waits before another one takes it over
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = lease)]
    lease: LeaseDuration,
}

/// A lease that a worker takes: it is checked before anything is dispatched, for what is dispatched is not forgotten.
fn lease(text: &str) -> Result<LeaseDuration, Box<dyn Error + Send + Sync>> {
    Ok(LeaseDuration::new(humantime::parse_duration(text)?)?)
}

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Arc::new(Screen::new());
    let result = index(Options::parse(), &screen).await;
    screen.finish();
    match result {
        Ok(Some(summary)) => {
            print_summary(&screen, &summary);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            screen.say("interrupted; start it again, and it goes on from here");
            ExitCode::from(130)
        }
        Err(error) => {
            print_error(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Makes an index, or goes on with the one that is not finished. `None` when it was asked to end first.
async fn index(options: Options, screen: &Arc<Screen>) -> Result<Option<Summary>, Box<dyn Error>> {
    let places = state::Places::find(&options)?;
    let start = Start::now();
    // By its path and not by a URL: a path may hold any character.
    let store = SqliteOptions::new(&places.database).open()?;
    let stent = Stent::new(Arc::new(store));
    let request = Request {
        folder: places.folder.clone(),
        report: places.report.clone(),
        own: Own::new(&places.database, &places.report),
        by: start,
    };
    let execution = state::find_or_dispatch(&stent, &places, index_folder(request), screen).await?;
    let worker = stent
        .worker()
        .register(functions![index_folder, list_files, measure_file])
        .state(Arc::new(Watcher(Arc::clone(screen) as _)))
        .state(Arc::new(start))
        .name(format!("process {}", start.process))
        .lease_duration(options.lease.get())
        // A lease that runs out is no event that anyone is told of; somebody waits for it in front of a screen.
        .poll_interval(Duration::from_millis(200))
        // Killing it is what it is for: no number of crashes makes a dead letter.
        .crash_limit(u32::MAX)
        .payload_limit(PAYLOAD_LIMIT)
        .drain_grace(Duration::from_secs(1))
        .start()
        .await?;
    let result = tokio::select! {
        biased;
        result = execution.result() => Some(result?),
        asked = asked_to_end() => asked.map(|()| None)?,
    };
    // Leases are given back, so that the next start goes on at once.
    worker.drain().await?;
    result.map(|summary| places.deliver(summary)).transpose()
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn asked_to_end() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

fn print_summary(screen: &Screen, summary: &Summary) {
    screen.say(&format!(
        "{} files: {}, {} lines, {} words",
        summary.files,
        indicatif::HumanBytes(summary.bytes),
        indicatif::HumanCount(summary.lines),
        indicatif::HumanCount(summary.words),
    ));
    if summary.problems > 0 {
        screen.say(&format!(
            "{} could not be indexed; the report says why",
            summary.problems
        ));
    }
    screen.say(&summary.restarts());
    screen.say(&format!("report: {}", summary.report.display()));
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
