//! Simulation: whole fleets in one thread under virtual time, each from a seed.

use crate::run::{Done, PassedOn, cargo, show};

/// Simulates what is asked for: `--seeds 1000`, `--minutes 2`, or `--seed S` to run one again.
pub(crate) fn run(options: &PassedOn) -> Done {
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
