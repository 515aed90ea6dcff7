//! Measurements.

use std::path::PathBuf;

use clap::Args;

use crate::run::{Done, cargo, show};

/// What to measure; all of it is passed on to the package `stent-benches`.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the figures to this file, as tables in Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Only this workload: store, dispatch, drain, latency, steps, fanout, processes, elsewhere, idle, costs, backlog or growth; may be given
    /// more than once
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Only on this store: memory, sqlite or postgres; may be given more than once
    #[arg(long, value_name = "STORE")]
    store: Vec<String>,
    /// How often everything is measured; medians are reported
    #[arg(long)]
    runs: Option<u32>,
    /// How many other tasks `backlog` and `growth` put in the way [default: 1000000]
    #[arg(long)]
    others: Option<usize>,
    /// Small and once: shows that everything runs, not how fast
    #[arg(long)]
    quick: bool,
    /// `growth` beside ten times as many tasks that have ended, too: that takes many minutes
    #[arg(long)]
    long: bool,
    /// SQLite with `synchronous=NORMAL`: a loss of power may take the newest commits
    #[arg(long)]
    normal: bool,
    /// The folder for databases, on the disk to be measured [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Done {
    let mut bench = cargo([
        "run",
        "--profile",
        "bench",
        "--package",
        "stent-benches",
        "--",
    ]);
    // Paths are those of whoever typed them, and Cargo runs in the root.
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(json) = &options.json {
        bench.arg("--json").arg(here.join(json));
    }
    if let Some(markdown) = &options.markdown {
        bench.arg("--markdown").arg(here.join(markdown));
    }
    if let Some(folder) = &options.folder {
        bench.arg("--folder").arg(here.join(folder));
    }
    for only in &options.only {
        bench.args(["--only", only]);
    }
    for store in &options.store {
        bench.args(["--store", store]);
    }
    if let Some(runs) = options.runs {
        bench.args(["--runs", &runs.to_string()]);
    }
    if let Some(others) = options.others {
        bench.args(["--others", &others.to_string()]);
    }
    if options.quick {
        bench.arg("--quick");
    }
    if options.long {
        bench.arg("--long");
    }
    if options.normal {
        bench.arg("--normal");
    }
    show(bench)
}
