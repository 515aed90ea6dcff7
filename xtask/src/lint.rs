//! What is checked about the code beside its tests.

use clap::{Args, ValueEnum};

use crate::{
    dependencies, layers,
    metadata::Metadata,
    migrations, proofs,
    run::{Done, Parts, cargo, show},
    sizes, trees,
};

/// What to check.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this part; all by default
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// rustfmt
    Format,
    /// Which of our crates may depend on which
    Layers,
    /// Licences, versions and sources of all dependencies
    Dependencies,
    /// What users of some crates and features compile
    Trees,
    /// How long files are
    Sizes,
    /// Whether migrations are numbered, and those that were released as they were
    Migrations,
    /// Whether the tests exist that comments name as proofs
    Proofs,
    /// clippy, with warnings as errors
    Clippy,
    /// Whether the facade compiles with each of its features alone
    Features,
}

type Check = fn(&Metadata) -> Done;

/// The quick ones first.
const PARTS: &[(Part, &str, Check)] = &[
    (Part::Format, "formatting", |_| format()),
    (Part::Layers, "layers", layers::check),
    (Part::Dependencies, "dependencies", dependencies::check),
    (Part::Trees, "dependency trees", trees::check),
    (Part::Sizes, "file sizes", |_| sizes::check()),
    (Part::Migrations, "migrations", |_| migrations::check()),
    (Part::Proofs, "proofs", |_| proofs::check()),
    (Part::Clippy, "clippy", |_| clippy()),
    (Part::Features, "each feature alone", |_| each_feature()),
];

pub(crate) fn run(options: &Options) -> Done {
    let metadata = Metadata::read()?;
    let mut parts = Parts::default();
    for (part, name, check) in PARTS {
        if options.part.is_none_or(|only| only == *part) {
            parts.run(name, || check(&metadata));
        }
    }
    parts.done()
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

/// The facade's features switch on one dependency each; it compiles with any of them, and with none.
fn each_feature() -> Done {
    for features in ["", "macros", "worker", "sqlite", "postgres", "memory"] {
        show(cargo([
            "check",
            "--quiet",
            "--package",
            "stent",
            "--lib",
            "--no-default-features",
            "--features",
            features,
        ]))?;
    }
    Ok(())
}
