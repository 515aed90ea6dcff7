//! `cargo xtask trial power`, with few cuts.

use std::{
    path::Path,
    process::{Command, Output},
};

/// Cuts a recording, which is made if there is none.
fn cut(recording: &Path, options: &[&str]) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_stent-chaos"))
        .args(["power", "--calls=12", "--recording"])
        .arg(recording)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (status.success(), said.into_owned())
}

/// A figure of the report.
fn figure(said: &str, name: &str) -> usize {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
    line.expect(said).trim().parse().unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_loss_of_power() {
    let folder = tempfile::tempdir().unwrap();
    let (held, said) = cut(folder.path(), &["--cuts=120"]);
    assert!(held && said.ends_with("all held\n"), "{said}");
    for name in [
        "of them not done, as the process died",
        "cuts that lost what was not synced",
        "executions found",
        "of them finished afterwards",
    ] {
        assert!(figure(&said, name) > 0, "{said}");
    }
    // A disk that does not do one kind of its syncs is found out, so each kind is needed and looked at.
    for syncs in ["log", "database", "folder"] {
        let (held, said) = cut(folder.path(), &["--cuts=12", "--ignore-syncs", syncs]);
        assert!(!held && figure(&said, "promises lost") > 0, "{said}");
        assert!(said.contains("again: cargo xtask trial power"), "{said}");
    }
}

#[test]
fn with_synchronous_normal_only_the_newest_is_lost_and_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (held, said) = cut(folder.path(), &["--cuts=40", "--synchronous=normal"]);
    assert!(held, "{said}");
    assert!(figure(&said, "promises lost") > 0, "{said}");
    assert_eq!(figure(&said, "other violations"), 0, "{said}");
}
