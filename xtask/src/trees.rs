//! What a user compiles: a program that only dispatches no worker, the core no runtime, and SQLite in a version without its known defect.

use std::fs;

use crate::{
    metadata::Metadata,
    run::{Done, Failed, cargo, read},
};

/// A crate with some of its features, and what must not be compiled with it.
struct Without {
    package: &'static str,
    features: &'static str,
    forbidden: &'static [&'static str],
}

const POSTGRES: [&str; 4] = [
    "stent-store-postgres",
    "tokio-postgres",
    "postgres-types",
    "deadpool-postgres",
];

const TREES: &[Without] = &[
    Without {
        package: "stent-core",
        features: "",
        forbidden: &[
            "tokio",
            "async-std",
            "smol",
            "futures-executor",
            "rand",
            "getrandom",
            "rusqlite",
        ],
    },
    Without {
        package: "stent-client",
        features: "",
        forbidden: &["stent-worker", "rusqlite"],
    },
    Without {
        package: "stent",
        features: "sqlite",
        forbidden: &["stent-worker", "stent-macros", "stent-store-memory"],
    },
    Without {
        package: "stent",
        features: "sqlite,worker,macros",
        forbidden: &["stent-store-memory"],
    },
    Without {
        package: "stent",
        features: "memory,worker,macros",
        forbidden: &["stent-store-sqlite", "rusqlite", "libsqlite3-sys"],
    },
    Without {
        package: "stent",
        features: "postgres,worker,macros",
        forbidden: &[
            "stent-store-sqlite",
            "stent-store-memory",
            "rusqlite",
            "libsqlite3-sys",
        ],
    },
];

/// The oldest SQLite that does not corrupt a write-ahead log which several connections write and checkpoint
/// (<https://sqlite.org/wal.html#walresetbug>), as SQLite writes its version: 3.51.3.
const SQLITE_MIN: u32 = 3_051_003;

pub(crate) fn check(metadata: &Metadata) -> Done {
    let mut wrong = Vec::new();
    for tree in TREES {
        let printed = read(cargo([
            "tree",
            "--package",
            tree.package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--no-default-features",
            "--features",
            tree.features,
        ]))?;
        let has_postgres = tree.features.contains("postgres");
        let names = printed.lines().filter_map(|line| line.split(' ').next());
        wrong.extend(
            names
                .filter(|name| {
                    tree.forbidden.contains(name) || (!has_postgres && POSTGRES.contains(name))
                })
                .map(|name| {
                    let Without {
                        package, features, ..
                    } = tree;
                    format!("`{package}` with the features `{features}` compiles `{name}`")
                }),
        );
    }
    Failed::unless_empty(wrong)?;
    println!("nobody compiles what they did not ask for");
    check_sqlite(metadata)
}

/// Reads which SQLite is bundled.
fn check_sqlite(metadata: &Metadata) -> Done {
    let bundles = metadata
        .packages
        .iter()
        .filter(|package| package.name == "libsqlite3-sys");
    let mut found = false;
    for package in bundles {
        found = true;
        let header = package.manifest_path.with_file_name("sqlite3/sqlite3.h");
        let text = fs::read_to_string(&header).map_err(Failed::file(&header))?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("#define SQLITE_VERSION_NUMBER"))
            .and_then(|number| number.trim().parse::<u32>().ok());
        match version {
            Some(version) if version >= SQLITE_MIN => {
                println!(
                    "libsqlite3-sys {} bundles SQLite {version}",
                    package.version
                );
            }
            version => {
                return Err(Failed::Found(vec![format!(
                    "libsqlite3-sys {} bundles SQLite {version:?}; {SQLITE_MIN} or newer is needed",
                    package.version
                )]));
            }
        }
    }
    if found {
        Ok(())
    } else {
        let gone = "no libsqlite3-sys is among the dependencies: which SQLite is linked?";
        Err(Failed::Found(vec![gone.to_owned()]))
    }
}
