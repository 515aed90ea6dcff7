//! How fast Stent is, beside the limit of its database in the same run: `cargo xtask bench`.
//!
//! Seconds don't travel between machines, ratios do. So each round first measures hand-written SQL that does the same work ([`limit`]), then
//! every workload on every store; what is reported of a workload is the median over the rounds, of its values and of its ratios, each taken
//! within one round. What needs several processes starts this program again ([`parts`]); other libraries are programs of their own ([`peers`]).
//!
//! **Invariant:** a workload counts what it has done and fails if that is not what it was to do. A fast wrong answer is no figure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

mod counts;
mod functions;
mod limit;
mod markdown;
mod measure;
mod options;
mod parts;
mod peers;
mod processes;
mod report;
mod stores;
mod usage;
mod workloads;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{
    options::Options,
    peers::table::Table,
    report::Report,
    stores::{PostgresServer, StoreKind},
    workloads::Workload,
};

/// What went wrong in a measurement: there is nothing to do about it but to say so.
type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
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
    if let Some(part) = &options.part {
        return runtime.block_on(parts::run(part));
    }
    // It ends with the last of those who use it.
    let _server = options
        .stores()
        .contains(&StoreKind::Postgres)
        .then(PostgresServer::start)
        .transpose()?;
    let mut report = Report::default();
    let mut peers = Table::default();
    for round in 1..=options.rounds() {
        for workload in options.workloads() {
            if round == 1 || !workload.is_once() {
                eprintln!("round {round} of {}: {workload}", options.rounds());
                runtime.block_on(measure(workload, options, &mut report, &mut peers))?;
            }
        }
    }
    print!("{report}");
    print!("{peers}");
    if let Some(file) = &options.json {
        report.write(&peers, file)?;
    }
    if let Some(file) = &options.markdown {
        markdown::write(&report, &peers, file)?;
    }
    Ok(())
}

/// Measures a workload once on every store, each beside its database's limit, and then by the peers that are wanted.
async fn measure(
    workload: Workload,
    options: &Options,
    report: &mut Report,
    peers: &mut Table,
) -> Result {
    for store in options.stores() {
        let limit = limit::measure(store, workload.limit(), options).await?;
        report.add_limit(store, &limit);
        let samples = workload.run(store, options, &limit).await?;
        peers::measure(workload, store, options, &samples, peers).await?;
        report.add(store, samples);
    }
    Ok(())
}
