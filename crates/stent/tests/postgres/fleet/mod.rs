//! The example `fleet`, run as people run it.

mod planted;

use stent_test_postgres::Database;

use crate::process::{Ended, Running, example};

fn database() -> Database {
    stent_test_postgres::database().unwrap()
}

/// Starts a fleet on so many files. The servers of tests don't wait for the disk.
fn fleet(database: &Database, files: usize, options: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..files {
        std::fs::write(folder.path().join(format!("{number} `|`")), "a line\n").unwrap();
    }
    let mut command = example("fleet");
    command.arg(folder.path()).args(options);
    command.args([
        "--url",
        &format!("{}?unsafe_durability=true", database.url()),
    ]);
    Running::start(command).wait()
}

#[test]
fn a_fleet_whose_workers_are_killed_measures_each_file_once_and_keeps_the_limit() {
    let options = [
        "--workers=3",
        "--kill-every=500ms",
        "--lease=500ms",
        "--pace=50ms",
        "--seed=7",
    ];
    let output = fleet(&database(), 150, &options).success();
    assert!(output.contains("exactly once: 150 of 150"), "{output}");
    assert!(output.contains("its limit is 4"), "{output}");
    assert!(!output.contains("WRONG"), "{output}");
    assert!(output.contains("kill -9"), "{output}");
}

#[test]
fn a_fleet_without_its_database_says_so_and_shows_no_password() {
    let mut command = example("fleet");
    command.args(["--url", "postgres://me:secret@127.0.0.1:1/none"]);
    let Ended {
        status,
        output,
        errors,
    } = Running::start(command).wait();
    assert_eq!(status.code(), Some(1), "{output}{errors}");
    assert!(errors.contains("127.0.0.1:1"), "{errors}");
    assert!(!(output + &errors).contains("secret"));
}
