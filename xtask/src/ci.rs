//! What CI does, in its order: what fails most often and says most comes first.

use crate::{
    docs, examples, fuzz, lint,
    run::{Done, Parts},
    sim, test, trial,
};

pub(crate) fn run() -> Done {
    let mut parts = Parts::default();
    parts.run("test", || test::run(&test::Options::default()));
    parts.run("lint", || lint::run(&lint::Options::default()));
    parts.run("docs", || docs::run(&docs::Options::CHECK));
    parts.run("examples", examples::run);
    parts.run("fuzzing", fuzz::short);
    parts.run("simulation", sim::short);
    parts.run("chaos", trial::short);
    parts.done()
}
