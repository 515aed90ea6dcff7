//! Licences, versions and sources of what we depend on, by `deny.toml`, which `cargo deny` reads too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde::Deserialize;

use crate::{
    metadata::{Metadata, Package},
    run::{Done, Failed, root},
};

/// What of `deny.toml` is checked here.
#[derive(Debug, Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

/// An exception with its reason.
#[derive(Debug, Deserialize)]
struct Skip {
    /// `name@version`.
    #[serde(rename = "crate")]
    package: String,
    #[expect(dead_code, reason = "read so that it cannot be left out")]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

pub(crate) fn check(metadata: &Metadata) -> Done {
    let path = root().join("deny.toml");
    let text = fs::read_to_string(&path).map_err(Failed::file(&path))?;
    let policy: Policy = toml::from_str(&text).map_err(Failed::unreadable("`deny.toml`"))?;
    let mut wrong = Vec::new();
    for package in metadata.theirs() {
        check_licence(package, &policy.licenses.allow, &mut wrong);
        check_source(package, &policy.sources.allow_registry, &mut wrong);
    }
    check_versions(metadata, &policy.bans.skip, &mut wrong);
    check_manifests(metadata, &mut wrong);
    Failed::unless_empty(wrong)?;
    println!(
        "{} dependencies: licences, versions and sources are allowed",
        metadata.theirs().count()
    );
    Ok(())
}

fn check_licence(package: &Package, allowed: &[String], wrong: &mut Vec<String>) {
    let licence = package.license.as_deref().unwrap_or_default();
    if !Licence(licence).is_allowed(allowed) {
        wrong.push(format!(
            "`{}` {} has the licence `{licence}`, which is not allowed",
            package.name, package.version
        ));
    }
}

fn check_source(package: &Package, allowed: &[String], wrong: &mut Vec<String>) {
    let source = package.source.as_deref().unwrap_or_default();
    let registry = source.strip_prefix("registry+").unwrap_or(source);
    if !allowed.iter().any(|allowed| allowed == registry) {
        wrong.push(format!("`{}` comes from `{source}`", package.name));
    }
}

fn check_versions(metadata: &Metadata, skipped: &[Skip], wrong: &mut Vec<String>) {
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    for package in metadata.theirs() {
        let id = format!("{}@{}", package.name, package.version);
        if !skipped.iter().any(|skip| skip.package == id) {
            versions
                .entry(&package.name)
                .or_default()
                .insert(&package.version);
        }
    }
    let several = versions.iter().filter(|(_, versions)| versions.len() > 1);
    wrong.extend(
        several.map(|(name, versions)| {
            format!("`{name}` is compiled in several versions: {versions:?}")
        }),
    );
}

/// What a registry, and whoever looks there, wants to know of our own crates.
fn check_manifests(metadata: &Metadata, wrong: &mut Vec<String>) {
    for package in metadata.ours() {
        let mut missing = Vec::new();
        let mut need = |what, is_there: bool| {
            if !is_there {
                missing.push(what);
            }
        };
        need("a description", package.description.is_some());
        need("the licence", package.license.is_some());
        need("the oldest Rust", package.rust_version.is_some());
        if package.is_published() {
            need("keywords", !package.keywords.is_empty());
            need("categories", !package.categories.is_empty());
        }
        if !missing.is_empty() {
            wrong.push(format!(
                "the manifest of `{}` lacks {}",
                package.name,
                missing.join(", ")
            ));
        }
    }
}

/// A licence expression of SPDX (<https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/>); `/` is the old way to write `OR`.
struct Licence<'a>(&'a str);

impl Licence<'_> {
    /// Whether one of the ways to fulfil it is allowed.
    fn is_allowed(&self, allowed: &[String]) -> bool {
        let spaced = self
            .0
            .replace('/', " OR ")
            .replace('(', " ( ")
            .replace(')', " ) ");
        let words: Vec<_> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        any_of(&mut rest, allowed) && rest.is_empty()
    }
}

/// `a OR b`
fn any_of(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut good = all_of(words, allowed);
    while let Some(after) = words.strip_prefix(&["OR"]) {
        *words = after;
        good |= all_of(words, allowed);
    }
    good
}

/// `a AND b`, which binds closer.
fn all_of(words: &mut &[&str], allowed: &[String]) -> bool {
    let mut good = one(words, allowed);
    while let Some(after) = words.strip_prefix(&["AND"]) {
        *words = after;
        good &= one(words, allowed);
    }
    good
}

/// `a`, `a WITH exception` or `( .. )`.
fn one(words: &mut &[&str], allowed: &[String]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let good = any_of(words, allowed);
            match words.strip_prefix(&[")"]) {
                Some(after) => {
                    *words = after;
                    good
                }
                None => false,
            }
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.iter().any(|allowed| allowed == licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_allowed_if_one_way_to_fulfil_it_is() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for (licence, is_allowed) in [
            ("MIT", true),
            ("MIT/Unlicense", true),
            ("GPL-3.0", false),
            ("", false),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR Apache-2.0", true),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("(MIT OR GPL-3.0) AND Zlib", false),
            ("GPL-2.0 OR MIT AND Zlib", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("(MIT", false),
            ("MIT)", false),
        ] {
            assert_eq!(
                Licence(licence).is_allowed(&allowed),
                is_allowed,
                "{licence}"
            );
        }
    }
}
