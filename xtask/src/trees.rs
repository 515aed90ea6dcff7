//! What a user compiles: a program that only dispatches no worker, the core no runtime, and SQLite in a version without its known defect.

use crate::run::{Done, Failed, cargo, read};

/// The crate and its features, and what must not be among its dependencies.
const FORBIDDEN: &[(&str, &str, &[&str])] = &[
    (
        "stent-core",
        "",
        &[
            "tokio",
            "async-std",
            "smol",
            "futures-executor",
            "rusqlite",
            "tokio-postgres",
        ],
    ),
    (
        "stent-client",
        "",
        &["stent-worker", "rusqlite", "tokio-postgres"],
    ),
    (
        "stent",
        "sqlite",
        &[
            "stent-worker",
            "stent-macros",
            "stent-store-memory",
            "tokio-postgres",
        ],
    ),
    (
        "stent",
        "sqlite,worker,macros",
        &["stent-store-memory", "tokio-postgres", "deadpool-postgres"],
    ),
    (
        "stent",
        "memory",
        &[
            "stent-worker",
            "rusqlite",
            "libsqlite3-sys",
            "tokio-postgres",
        ],
    ),
];

/// The oldest SQLite that does not corrupt a write-ahead log which several connections write and checkpoint
/// (<https://sqlite.org/wal.html#walresetbug>).
const SQLITE_MIN: (u32, u32, u32) = (3, 51, 3);

pub(crate) fn check() -> Done {
    for (package, features, forbidden) in FORBIDDEN {
        let tree = read(cargo([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--no-default-features",
            "--features",
            features,
        ]))?;
        let found: Vec<_> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| forbidden.contains(name))
            .collect();
        if !found.is_empty() {
            return Err(Failed::Found(format!(
                "`{package}` with features `{features}` compiles {found:?}, which it must not"
            )));
        }
    }
    println!("nobody compiles what they did not ask for");
    check_sqlite()
}

fn check_sqlite() -> Done {
    let printed = read(cargo([
        "test",
        "--quiet",
        "--package",
        "stent-store-sqlite",
        "--test",
        "it",
        "--",
        "--exact",
        "--nocapture",
        "version::the_linked_sqlite_is_one_without_the_known_defect",
    ]))?;
    let version = printed
        .lines()
        .find_map(|line| line.strip_prefix("linked SQLite: "))
        .ok_or_else(|| {
            Failed::Found(
                "the test that prints the version of the linked SQLite printed none".to_owned(),
            )
        })?;
    let mut parts = version
        .trim()
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let found = (
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
        parts.next().unwrap_or(0),
    );
    if found < SQLITE_MIN {
        return Err(Failed::Found(format!(
            "SQLite {version} is linked; {SQLITE_MIN:?} or newer is needed"
        )));
    }
    println!("SQLite {version} is linked");
    Ok(())
}
