//! `cargo xtask trial limits`, for some seconds.

use std::{process::Command, time::Duration};

use stent_chaos::{
    history,
    limit::{Rules, Violation, judge},
};

#[test]
fn a_limit_holds_and_nobody_starves_while_workers_are_killed_paused_and_stolen_from() {
    // On a busy machine a kill may find nobody at work; each run must hold, and one of them have a steal.
    let is_stolen = (3..8).any(|seed| tries_for_some_seconds(seed) > 0);
    assert!(is_stolen, "nothing was stolen in any of the runs");
}

/// How many calls were begun anew, after a trial in which everything held.
fn tries_for_some_seconds(seed: u64) -> usize {
    let database = stent_test_postgres::database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let output = Command::new(env!("CARGO_BIN_EXE_stent-chaos"))
        .args(["limits", "--minutes=0.12", "--workers=8"])
        .arg(format!("--seed={seed}"))
        .args([
            "--url",
            &format!("{}?unsafe_durability=true", database.url()),
        ])
        .arg("--history")
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.ends_with("all held\n"), "{said}");

    // That would have been found: the limit was reached, and one lower was exceeded.
    let rules = Rules {
        limit: 2,
        lease: Duration::from_secs(1),
        patience: Duration::MAX,
    };
    let (violations, figures) = judge(&history::read(&path).unwrap(), &rules);
    assert!(
        violations
            .iter()
            .any(|found| matches!(found, Violation::Exceeded { .. })),
        "{said}"
    );
    assert!(figures.kills > 0 && figures.pauses > 0, "{said}");
    figures.begun_anew
}
