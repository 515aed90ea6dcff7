//! What is checked about the code beside its tests.

use crate::{
    layers, migrations,
    run::{Done, cargo, show, timed},
    sizes, trees,
};

pub(crate) fn run() -> Done {
    timed("formatting", || show(cargo(["fmt", "--all", "--check"])))?;
    timed("clippy", || {
        show(cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    timed("layers", layers::check)?;
    timed("dependency trees", trees::check)?;
    timed("file sizes", sizes::check)?;
    timed("migrations", migrations::check)
}
