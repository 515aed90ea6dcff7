//! The trials, as a program: `cargo xtask trial`.

mod limits;
mod storm;
mod worker;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Trials of Stent with real processes on a real PostgreSQL
#[derive(Debug, Parser)]
#[command(
    name = "stent-chaos",
    after_help = "The exit code is 0 if all that was to hold did, and 1 if not."
)]
struct Arguments {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Many processes hammer one limited function while they are killed and paused
    Limits(limits::Options),
    /// What a trial starts this program as
    #[command(hide = true)]
    Worker,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().trial {
        Trial::Limits(options) => limits::run(&options).await,
        Trial::Worker => worker::work().await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print_error(&*error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program talks to people")]
fn print_error(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
