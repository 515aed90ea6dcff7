//! Chores of this repository: `cargo xtask help` lists them.
//!
//! It starts programs and links none of the workspace's crates, so it is built in seconds. Each chore prints the commands that it runs, so that
//! a person can run them one by one.
#![allow(clippy::print_stdout, reason = "it talks to a person")]

mod bench;
mod ci;
mod docs;
mod examples;
mod layers;
mod lint;
mod migrations;
mod run;
mod sizes;
mod test;
mod trees;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Run all tests of the workspace, those in the documentation included.
    Test(test::Options),
    /// Check formatting, clippy, layers, file sizes, dependency trees and released migrations.
    Lint(lint::Options),
    /// Build the API documentation; warnings are errors.
    Docs,
    /// Build and run every example.
    Examples,
    /// Measure, beside the limit of the database in the same run.
    Bench(bench::Options),
    /// Everything that CI does: test, lint, docs, examples.
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Lint(options) => lint::run(&options),
        Chore::Docs => docs::run(),
        Chore::Examples => examples::run(),
        Chore::Bench(options) => bench::run(&options),
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
