//! That every workload runs, and does what it counts: small, and as a program, because parts of it are processes of their own.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, process::Command};

#[test]
fn every_workload_does_on_every_store_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (json, markdown) = (
        folder.path().join("figures.json"),
        folder.path().join("figures.md"),
    );
    let bench = Command::new(env!("CARGO_BIN_EXE_stent-benches"))
        .args(["--quick", "--json"])
        .arg(&json)
        .arg("--markdown")
        .arg(&markdown)
        .output()
        .unwrap();
    assert!(bench.status.success(), "{bench:?}");
    let figures: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let is_measured = |store: &str, workload: &str| {
        let of = |figure: &&serde_json::Value| {
            figure["store"] == store && figure["workload"] == workload
        };
        figures.iter().find(of).is_some()
    };
    for workload in [
        "drain",
        "drain_by_4_processes",
        "elsewhere_start_p99",
        "idle_cpu",
        "cost_fanout",
        "drain_beside_limited",
        "drain_beside_ended",
    ] {
        assert!(is_measured("sqlite", workload), "{workload}");
        assert!(is_measured("postgres", workload), "{workload}");
    }
    for figure in &figures {
        let ratio = &figure["ratio_to_limit"];
        assert_eq!(ratio.is_null(), figure["limit"].is_null(), "{figure}");
        assert!(!figure["limit_is"].as_str().unwrap().is_empty(), "{figure}");
    }
    let tables = fs::read_to_string(&markdown).unwrap();
    assert!(
        tables.contains("### Postgres: what things cost"),
        "{tables}"
    );
}

/// A program that stands for a peer's.
fn write_program(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
}

#[test]
fn a_peer_stands_beside_stent_and_one_that_fails_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let figure = r#"{"workload":"drain","value":0.5,"unit":"tasks/s","differs":"slow"}"#;
    write_program(
        folder.path(),
        "peer-graphile_worker",
        &format!("echo noise; echo '{figure}'"),
    )
    .unwrap();
    write_program(
        folder.path(),
        "peer-effectum",
        &format!("test -e \"$(dirname \"$2\")\" && echo '{figure}'"),
    )
    .unwrap();
    write_program(folder.path(), "peer-apalis", "echo 'it broke' >&2; exit 1").unwrap();
    let bench = Command::new(env!("CARGO_BIN_EXE_stent-benches"))
        .args(["--quick", "--only", "drain", "--store", "sqlite"])
        .args(["--peer", "effectum", "--peer", "apalis", "--peers"])
        .arg(folder.path())
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    assert!(bench.status.success(), "{bench:?}");
    let figures: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let of = |peer: &str| figures.iter().find(|figure| figure["peer"] == peer);
    let effectum = of("effectum").unwrap();
    let ratio = effectum["stent"].as_f64().unwrap() / 0.5;
    assert_eq!(effectum["ratio"], ratio, "{effectum}");
    assert_eq!(effectum["differs"], "slow");
    let apalis = of("apalis").unwrap();
    assert!(apalis["value"].is_null(), "{apalis}");
    assert_eq!(apalis["why_not"], "it broke");
    // It has no SQLite.
    assert!(of("graphile_worker").is_none());
}
