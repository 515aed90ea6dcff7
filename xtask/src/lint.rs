//! What is checked about the code beside its tests.

use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use crate::{
    bench, dependencies, layers,
    metadata::Metadata,
    migrations, proofs,
    run::{Done, Failed, Parts, cargo, root, show},
    sizes, sql, trees,
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
    /// Whether a value could become SQL
    Sql,
    /// Whether the tests exist that comments and pages name as proofs
    Proofs,
    /// clippy, with warnings as errors
    Clippy,
    /// Whether the facade compiles with each of its features alone
    Features,
    /// Whether everything compiles with the oldest Rust that is promised, if rustup has it
    Msrv,
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
    (Part::Sql, "SQL texts", |_| sql::check()),
    (Part::Proofs, "proofs", |_| proofs::check()),
    (Part::Clippy, "clippy", |_| clippy()),
    (Part::Features, "each feature alone", |_| each_feature()),
    (Part::Msrv, "oldest Rust", oldest_rust),
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
    show(cargo(["fmt", "--all", "--check"]))?;
    // Peers are no members of the workspace.
    for manifest in bench::peer_manifests()? {
        let mut format = cargo(["fmt", "--check", "--manifest-path"]);
        format.arg(manifest);
        show(format)?;
    }
    Ok(())
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

/// The version is that of `rust-version` in `Cargo.toml`. clippy reports newer functions of the standard library in any case.
fn oldest_rust(metadata: &Metadata) -> Done {
    let mut versions = metadata
        .ours()
        .filter_map(|one| one.rust_version.as_deref());
    let Some(version) = versions.next() else {
        return Failed::unless_empty(vec!["no crate says which Rust it needs".to_owned()]);
    };
    let rustup = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", version]).args(arguments);
        command.current_dir(root());
        command
    };
    let is_there = rustup(&["rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !is_there.is_ok_and(|status| status.success()) {
        println!(
            "skipped: `rustup toolchain install {version} --profile minimal` makes it possible"
        );
        return Ok(());
    }
    // Elsewhere, so that what the usual compiler has built stays as it is.
    let mut check = rustup(&[
        "cargo",
        "check",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--all-features",
    ]);
    check.args(["--target-dir", "target/oldest-rust"]);
    show(check)
}
