//! The arrows between our crates: which may depend on which. An unchecked layer is a wish.

use std::{collections::BTreeSet, fs};

use crate::{
    metadata::{Metadata, Package},
    run::{Done, Failed, root},
};

/// A crate of ours with its place among the others.
struct Layer {
    name: &'static str,
    /// The crates of ours that it may depend on.
    may_use: &'static [&'static str],
    /// Those of them that a user must be able to leave out.
    optional: &'static [&'static str],
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer {
        name,
        may_use,
        optional: &[],
    }
}

/// The published crates, lowest first. The table in `docs/architecture.md` is compared with it.
const LAYERS: &[Layer] = &[
    layer("stent-core", &[]),
    layer("stent-store-memory", &["stent-core"]),
    layer("stent-store-sqlite", &["stent-core"]),
    layer("stent-store-postgres", &["stent-core"]),
    layer("stent-conformance", &["stent-core", "stent-store-memory"]),
    layer("stent-client", &["stent-core"]),
    layer("stent-macros", &[]),
    layer("stent-worker", &["stent-core", "stent-client"]),
    Layer {
        name: "stent",
        may_use: &[
            "stent-core",
            "stent-client",
            "stent-macros",
            "stent-worker",
            "stent-store-memory",
            "stent-store-sqlite",
            "stent-store-postgres",
        ],
        optional: &[
            "stent-macros",
            "stent-worker",
            "stent-store-memory",
            "stent-store-sqlite",
            "stent-store-postgres",
        ],
    },
];

/// What is not published, with what it may depend on; `xtask` starts programs and links none of what users get.
const PROGRAMS: &[Layer] = &[
    layer("stent-test-postgres", &[]),
    layer("stent-chaos", &["stent", "stent-test-postgres"]),
    layer("stent-sim", &["stent"]),
    layer(
        "stent-fuzz",
        &["stent-core", "stent-client", "stent-store-postgres"],
    ),
    layer("stent-benches", &["stent", "stent-test-postgres"]),
    layer("xtask", &["stent-test-postgres"]),
];

const MAP: &str = "docs/architecture.md";

pub(crate) fn check(metadata: &Metadata) -> Done {
    let ours: BTreeSet<_> = metadata
        .ours()
        .map(|package| package.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in metadata.ours() {
        let known = LAYERS.iter().chain(PROGRAMS);
        match known.into_iter().find(|layer| layer.name == package.name) {
            Some(layer) => check_arrows(package, layer, &ours, &mut wrong),
            None => wrong.push(format!(
                "`{}` has no place among the layers; give it one in xtask/src/layers.rs",
                package.name
            )),
        }
    }
    check_map(&mut wrong)?;
    Failed::unless_empty(wrong)?;
    println!("every crate depends only on those that it may");
    Ok(())
}

fn check_arrows(package: &Package, layer: &Layer, ours: &BTreeSet<&str>, wrong: &mut Vec<String>) {
    let from = &package.name;
    for dependency in &package.dependencies {
        let to = dependency.name.as_str();
        if !ours.contains(to) {
            continue;
        }
        if dependency.is_for_tests() {
            // With a version, two crates that test each other could never be published for the first time.
            if dependency.req != "*" {
                wrong.push(format!(
                    "`{from}` tests with `{to}` by version; name it by its path alone"
                ));
            }
        } else if !layer.may_use.contains(&to) {
            wrong.push(format!("`{from}` must not depend on `{to}`"));
        } else if layer.optional.contains(&to) && !dependency.optional {
            wrong.push(format!("`{from}` must let its users leave `{to}` out"));
        }
    }
}

/// Compares the table of the map with the one here.
fn check_map(wrong: &mut Vec<String>) -> Done {
    let path = root().join(MAP);
    let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
    for layer in LAYERS {
        let uses: Vec<_> = layer.may_use.iter().map(|name| short(name)).collect();
        let uses = if uses.is_empty() {
            "nothing".to_owned()
        } else {
            uses.join(", ")
        };
        let row = format!("| `{}` | {uses} |", layer.name);
        if !text.lines().any(|line| line.starts_with(&row)) {
            wrong.push(format!("`{MAP}` has no row that begins with `{row}`"));
        }
    }
    Ok(())
}

fn short(name: &str) -> &str {
    name.strip_prefix("stent-").unwrap_or(name)
}
