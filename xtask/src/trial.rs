//! Trials: real processes that are killed, and a history that is judged.

use crate::run::{Done, PassedOn, cargo, show};

/// Tries what the package `stent-chaos` has: `limits --minutes 1 --workers 8`.
pub(crate) fn run(options: &PassedOn) -> Done {
    let mut trial = cargo(["run", "--quiet", "--package", "stent-chaos", "--"]);
    trial.args(&options.arguments);
    show(trial)
}
