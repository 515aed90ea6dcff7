//! Measurements.

use std::path::PathBuf;

use clap::Args;

use crate::run::{Done, cargo, show};

/// What to measure; all of it is passed on to the package `stent-benches`.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the figures to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only this workload; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
    /// Only this store: memory or sqlite.
    #[arg(long)]
    store: Option<String>,
    /// How often each is measured; the median counts.
    #[arg(long)]
    runs: Option<u32>,
    /// Small and once: whether it runs, not how fast.
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options) -> Done {
    let mut bench = cargo(["run", "--release", "--package", "stent-benches", "--"]);
    if let Some(json) = &options.json {
        let here = std::env::current_dir().unwrap_or_default();
        bench.arg("--json").arg(here.join(json));
    }
    for only in &options.only {
        bench.args(["--only", only]);
    }
    if let Some(store) = &options.store {
        bench.args(["--store", store]);
    }
    if let Some(runs) = options.runs {
        bench.args(["--runs", &runs.to_string()]);
    }
    if options.quick {
        bench.arg("--quick");
    }
    show(bench)
}
