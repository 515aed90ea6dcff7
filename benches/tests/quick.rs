//! That every workload runs, and does what it counts: small, and as a program, because parts of it are processes of their own.

use std::{fs, process::Command};

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
