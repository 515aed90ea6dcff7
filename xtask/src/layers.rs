//! The arrows between our crates: which may depend on which. An unchecked layer is a wish.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run::{Done, Failed, cargo, read};

/// Each published crate with the crates of ours that it may depend on. `docs/architecture.md` draws it.
const ALLOWED: &[(&str, &[&str])] = &[
    ("stent-core", &[]),
    ("stent-store-memory", &["stent-core"]),
    ("stent-store-sqlite", &["stent-core"]),
    ("stent-conformance", &["stent-core", "stent-store-memory"]),
    ("stent-client", &["stent-core"]),
    ("stent-macros", &[]),
    ("stent-worker", &["stent-core", "stent-client"]),
    (
        "stent",
        &[
            "stent-core",
            "stent-client",
            "stent-macros",
            "stent-worker",
            "stent-store-memory",
            "stent-store-sqlite",
        ],
    ),
];

/// Crates that are not published and may depend on any other.
const FREE: &[&str] = &["stent-benches"];

pub(crate) fn check() -> Done {
    let metadata = read(cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|source| Failed::Output {
        command: "cargo metadata".to_owned(),
        source,
    })?;
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let arrows: Vec<_> = normal_dependencies(package)
            .filter(|to| to.starts_with("stent") || *to == "xtask")
            .collect();
        let may = match allowed.get(name) {
            Some(may) => *may,
            None if FREE.contains(&name) => continue,
            None if name == "xtask" => &[][..],
            None => {
                wrong.push(format!(
                    "`{name}` has no place among the layers; give it one in xtask/src/layers.rs"
                ));
                continue;
            }
        };
        let forbidden = arrows.iter().filter(|to| !may.contains(to));
        wrong.extend(forbidden.map(|to| format!("`{name}` must not depend on `{to}`")));
    }
    if wrong.is_empty() {
        println!("every crate depends only on those that it may");
        Ok(())
    } else {
        Err(Failed::Found(wrong.join("\n")))
    }
}

/// What a package needs to be built: dev-dependencies do not count, they reach no user.
fn normal_dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str())
}
