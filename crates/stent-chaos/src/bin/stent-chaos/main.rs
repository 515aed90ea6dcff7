//! The trials, as a program: `cargo xtask trial`.

mod chaos;
mod dispatcher;
mod limits;
mod options;
mod power;
mod soak;
mod storm;
mod trouble;
mod worker;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Trials of Stent with real processes on real databases
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
    /// Processes call and work while they, the database and what is between them are damaged in every way
    Chaos(chaos::Options),
    /// The power goes again and again while processes work on a SQLite file; what is left of it is opened and judged
    Power(power::Options),
    /// High load for a long time: nothing that is used may grow
    Soak(soak::Options),
    /// What a trial starts this program as
    #[command(hide = true)]
    Load,
    /// What a trial starts this program as
    #[command(hide = true)]
    Worker,
    /// What a trial starts this program as
    #[command(hide = true)]
    Dispatcher,
    /// What the trial of power starts this program as
    #[command(hide = true)]
    PowerLife,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().trial {
        Trial::Limits(options) => limits::run(&options).await,
        Trial::Chaos(options) => chaos::run(&options).await,
        Trial::Soak(options) => soak::run(&options).await,
        Trial::Load => soak::work().await.map(|()| true),
        Trial::Dispatcher => dispatcher::call().await.map(|()| true),
        Trial::Power(options) => power::run(&options).await,
        Trial::PowerLife => power::life::live().await.map(|()| true),
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
