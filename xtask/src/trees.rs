//! What a user compiles: a program that only dispatches no worker, the core no runtime, a user of one store no other database.

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
    Ok(())
}
