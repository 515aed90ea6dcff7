//! What is checked about the code beside its tests.

use clap::{Args, ValueEnum};

use crate::{
    layers, migrations,
    run::{Done, cargo, show, timed},
    sizes, trees,
};

/// What to check.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this part.
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// rustfmt.
    Format,
    /// clippy, with warnings as errors.
    Clippy,
    /// Which crate may depend on which.
    Layers,
    /// What users of some crates and features compile.
    Trees,
    /// How long files are.
    Sizes,
    /// Whether released migrations are as they were.
    Migrations,
}

/// A part, its name, and how it is checked.
type Check = (Part, &'static str, fn() -> Done);

pub(crate) fn run(options: &Options) -> Done {
    let parts: &[Check] = &[
        (Part::Format, "formatting", format),
        (Part::Clippy, "clippy", clippy),
        (Part::Layers, "layers", layers::check),
        (Part::Trees, "dependency trees", trees::check),
        (Part::Sizes, "file sizes", sizes::check),
        (Part::Migrations, "migrations", migrations::check),
    ];
    for (part, name, check) in parts {
        if options.part.is_none_or(|only| only == *part) {
            timed(name, check)?;
        }
    }
    Ok(())
}

fn format() -> Done {
    show(cargo(["fmt", "--all", "--check"]))
}

fn clippy() -> Done {
    show(cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}
