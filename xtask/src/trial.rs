//! Trials: real processes that are killed, and a history that is judged.

use clap::Args;

use crate::run::{Done, cargo, show};

/// What to try; all of it is passed on to the package `stent-chaos`.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// The trial with its options: `limits --minutes 1 --workers 8`; `--help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "TRIAL"
    )]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Done {
    let mut trial = cargo(["run", "--quiet", "--package", "stent-chaos", "--"]);
    trial.args(&options.arguments);
    show(trial)
}
