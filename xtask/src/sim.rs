//! Simulation: whole fleets in one thread under virtual time, each from a seed.

use clap::Args;

use crate::run::{Done, cargo, show};

/// How many seeds, or which; all of it is passed on to the package `stent-sim`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--seeds 1000`, `--minutes 2`, or `--seed S` to run one again; `--help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    simulate(&options.arguments)
}

/// What CI does: new seeds each time, for two minutes.
pub(crate) fn short() -> Done {
    simulate(&["--minutes".to_owned(), "2".to_owned()])
}

fn simulate(arguments: &[String]) -> Done {
    let mut simulator = cargo([
        "run",
        "--quiet",
        "--release",
        "--package",
        "stent-sim",
        "--",
    ]);
    simulator.args(arguments);
    show(simulator)
}
