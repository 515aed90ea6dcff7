//! How fast Stent is, beside the limit of its database in the same run: `cargo xtask bench`.
//!
//! Seconds don't travel between machines, ratios do. So each round first measures hand-written SQL that does the same work ([`limit`]), then
//! every workload on every store; what is reported of a workload is the median over the rounds, of its values and of its ratios, each taken
//! within one round.
//!
//! **Invariant:** a workload counts what it has done and fails if that is not what it was to do. A fast wrong answer is no figure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

mod functions;
mod limit;
mod measure;
mod options;
mod processes;
mod report;
mod stores;
mod workloads;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{
    options::Options,
    report::Report,
    stores::{PostgresServer, StoreKind},
};

/// What went wrong in a measurement: there is nothing to do about it but to say so.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let done = match processes::as_worker() {
        Some(url) => processes::work(&url),
        None => run(&Options::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // It ends with the last of those who use it.
    let _server = options
        .stores()
        .contains(&StoreKind::Postgres)
        .then(PostgresServer::start)
        .transpose()?;
    let mut report = Report::default();
    for round in 1..=options.rounds() {
        for workload in options.workloads() {
            eprintln!("round {round} of {}: {workload}", options.rounds());
            let limit = limit::measure(options)?;
            report.add_limit("by hand", &limit);
            for store in options.stores() {
                let own = match store {
                    StoreKind::Postgres => {
                        let limit = runtime.block_on(limit::postgres::measure(options))?;
                        report.add_limit("by hand, pg", &limit);
                        Some(limit)
                    }
                    StoreKind::Memory | StoreKind::Sqlite => None,
                };
                let limit = own.as_ref().unwrap_or(&limit);
                report.add(
                    store,
                    runtime.block_on(workload.run(store, options, limit))?,
                );
            }
        }
    }
    print!("{report}");
    if let Some(file) = &options.json {
        report.write(file)?;
    }
    Ok(())
}
