//! Chores of this repository: `cargo xtask help` lists them.
//!
//! It starts programs and links none of the workspace's crates but the one that starts PostgreSQL, so it is built in seconds. Each chore prints the commands that it runs, so that
//! a person can run them one by one.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod bench;
mod ci;
mod defects;
mod dependencies;
mod docs;
mod examples;
mod files;
mod fuzz;
mod layers;
mod lint;
mod metadata;
mod migrations;
mod pg;
mod proofs;
mod run;
mod sim;
mod sizes;
mod sql;
mod test;
mod trees;
mod trial;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::PassedOn;

/// Chores of the Stent repository.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run all tests of the workspace, those in the documentation included
    Test(test::Options),
    /// Check formatting, layers, dependencies, file sizes, migrations, SQL texts, proofs and clippy's lints
    Lint(lint::Options),
    /// Build the API documentation, warnings being errors, and print the pages that come from the code
    Docs(docs::Options),
    /// Build and run every example
    Examples,
    /// Measure, beside the limit of the database in the same run
    Bench(bench::Options),
    /// Simulate fleets under faults, from seeds, and judge what happened: `--seeds 1000`, `--minutes 2`, `--seed S`
    Sim(PassedOn),
    /// Give random bytes to all that reads texts and stored data: `--seconds 60`, `payloads`
    Fuzz(fuzz::Options),
    /// Make deliberate defects in a copy, one at a time, and look whether the simulator or the tests see them
    Defects(defects::Options),
    /// Try with real processes what must hold while they are killed, `limits --minutes 1 --workers 8`, and when the power goes, `power --cuts 300`
    Trial(PassedOn),
    /// Damage processes, databases and the way between them in every way, and judge what came of it: `--store postgres --minutes 1`
    Chaos(PassedOn),
    /// High load for a long time, and a plot of what was used meanwhile: `--store sqlite --minutes 60 --plot soak.svg`
    Soak(PassedOn),
    /// Work with a throwaway PostgreSQL server
    #[command(subcommand)]
    Pg(pg::Verb),
    /// Do all that CI does: test, lint, docs --check, examples, fuzz --seconds 4, sim --minutes 2, chaos on both stores
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Lint(options) => lint::run(&options),
        Chore::Docs(options) => docs::run(&options),
        Chore::Examples => examples::run(),
        Chore::Bench(options) => bench::run(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Defects(options) => defects::run(&options),
        Chore::Trial(options) => trial::run(&options),
        Chore::Chaos(options) => trial::chaos(&options),
        Chore::Soak(options) => trial::soak(&options),
        Chore::Pg(verb) => pg::run(&verb),
        Chore::Ci => ci::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nfailed: {error}");
            ExitCode::FAILURE
        }
    }
}
