//! Trials: real processes that are killed, and a history that is judged.

use std::process::Command;

use crate::run::{Done, PassedOn, cargo, show};

/// Tries what the package `stent-chaos` has: `limits --minutes 1 --workers 8`, `power --cuts 300`.
pub(crate) fn run(options: &PassedOn) -> Done {
    let mut trial = program();
    trial.args(&options.arguments);
    show(trial)
}

/// Damages everything at once: `--store sqlite --minutes 1`.
pub(crate) fn chaos(options: &PassedOn) -> Done {
    let mut trial = program();
    trial.arg("chaos").args(&options.arguments);
    show(trial)
}

/// Loads a store for long: `--store postgres --minutes 60 --plot soak.svg`. In release, so that the store is what is loaded.
pub(crate) fn soak(options: &PassedOn) -> Done {
    let mut soak = cargo([
        "run",
        "--quiet",
        "--release",
        "--package",
        "stent-chaos",
        "--",
    ]);
    soak.arg("soak").args(&options.arguments);
    show(soak)
}

/// What CI does: a minute on each store.
pub(crate) fn short() -> Done {
    for store in ["sqlite", "postgres"] {
        let mut trial = program();
        trial.args(["chaos", "--minutes", "1", "--store", store]);
        show(trial)?;
    }
    Ok(())
}

fn program() -> Command {
    cargo(["run", "--quiet", "--package", "stent-chaos", "--"])
}
