//! What CI does, in its order: what fails most often and says most comes first.

use crate::{
    docs, examples, lint,
    run::{Done, timed},
    test,
};

pub(crate) fn run() -> Done {
    timed("tests", || test::run(&test::Options::default()))?;
    timed("lint", || lint::run(&lint::Options::default()))?;
    timed("documentation", docs::run)?;
    timed("examples", examples::run)
}
