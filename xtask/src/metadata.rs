//! What Cargo knows of the workspace and of all that it depends on.

use std::path::PathBuf;

use serde::Deserialize;

use crate::run::{Done, Failed, cargo, read};

/// The answer of `cargo metadata`, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Our crates, and all others that any of them needs.
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) rust_version: Option<String>,
    /// The registries that it may be published to: none if it is empty, any if there is no list.
    pub(crate) publish: Option<Vec<String>>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// Where it comes from; nothing for our own.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) req: String,
    /// `dev`, `build`, or nothing for what is always needed.
    pub(crate) kind: Option<String>,
    pub(crate) optional: bool,
}

impl Metadata {
    pub(crate) fn read() -> Done<Self> {
        let printed = read(cargo([
            "metadata",
            "--all-features",
            "--format-version",
            "1",
        ]))?;
        serde_json::from_str(&printed).map_err(Failed::unreadable("what `cargo metadata` printed"))
    }

    /// Our own crates.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_none())
    }

    /// All others.
    pub(crate) fn theirs(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_some())
    }
}

impl Package {
    pub(crate) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }
}

impl Dependency {
    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
