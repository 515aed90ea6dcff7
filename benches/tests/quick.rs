//! Every workload does on every store what it counts.

use std::process::Command;

#[test]
fn every_workload_does_on_every_store_what_it_counts() {
    let bench = Command::new(env!("CARGO_BIN_EXE_stent-benches"))
        .arg("--quick")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&bench.stderr);
    assert!(bench.status.success(), "{said}");
    let report = String::from_utf8_lossy(&bench.stdout);
    for workload in ["drain_by_4_processes", "idle_wakes", "drain_beside_limited"] {
        assert!(report.contains(workload), "{report}");
    }
}
