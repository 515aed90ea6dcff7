//! A worker as a service manager runs it: SIGTERM makes it drain. What runs may finish, what waits stays for the next start, nothing is lost.
//!
//! ```text
//! cargo run --example service [DATABASE]
//! ```
//!
//! The program starts itself as the service, dispatches two naps of which one runs at a time, asks the service to end in the middle of the
//! first, and starts it once more for the second.

use std::{
    error::Error,
    io::{self, BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use clap::{Parser, Subcommand};
use stent::{prelude::*, store::StateKind};

/// Does nothing for a while, one at a time.
#[durable(max_concurrent = 1)]
async fn nap(name: String) -> stent::Result<()> {
    say(&format!("the {name} nap begins"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    say(&format!("the {name} nap ends"));
    Ok(())
}

/// A service that is asked to end finishes what runs, and begins nothing
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
    Serve { database: PathBuf },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    match (options.command, options.database) {
        (Some(Part::Serve { database }), _) => serve(&database).await,
        (None, Some(database)) => show(&database).await,
        (None, None) => show(&tempfile::tempdir()?.path().join("naps.db")).await,
    }
}

/// The service: this is all there is to it.
async fn serve(database: &Path) -> Result<(), Box<dyn Error>> {
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    stent.worker().register(functions![nap]).serve().await?;
    say("the service has drained");
    Ok(())
}

/// What a service manager does.
async fn show(database: &Path) -> Result<(), Box<dyn Error>> {
    let stent = Stent::open(&format!("sqlite:{}", database.display())).await?;
    let naps = ["first", "second"].map(|name| nap(name.to_owned()));
    let naps = stent.dispatch_all(naps).await?;

    let mut service = Service::start(database)?;
    service.hear("begins")?;
    service.ask_to_end()?;
    service.hear("drained")?;
    for (name, nap) in ["first", "second"].iter().zip(&naps) {
        let state = nap.state().await?;
        say(&format!("meanwhile the {name} nap is {state}"));
    }
    if naps[0].state().await? != StateKind::Completed {
        return Err("the first nap was not finished".into());
    }

    let mut service = Service::start(database)?;
    service.hear("ends")?;
    naps[1].result().await?;
    service.ask_to_end()?;
    service.hear("drained")?;
    Ok(())
}

/// A service that runs, and what it says.
struct Service {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(database: &Path) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(database)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            process,
            lines: BufReader::new(output).lines(),
        })
    }

    /// Passes on what it says, up to a line that holds a text.
    fn hear(&mut self, text: &str) -> io::Result<()> {
        for line in self.lines.by_ref() {
            let line = line?;
            say(&line);
            if line.contains(text) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends SIGTERM, as service managers do.
    #[cfg(unix)]
    fn ask_to_end(&self) -> io::Result<()> {
        say("the service is asked to end");
        let process = i32::try_from(self.process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(rustix::process::kill_process(
            process,
            rustix::process::Signal::TERM,
        )?)
    }

    #[cfg(not(unix))]
    fn ask_to_end(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended by now, or something went wrong: then it must not go on alone.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn say(what: &str) {
    println!("{what}");
}
