//! Several processes on one file, and what is left of one that was killed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use futures_util::FutureExt as _;
use stent_core::ExecutionId;
use stent_store_sqlite::SqliteOptions;

use stent_conformance::requests::{dispatch, execution, executions, one};

/// Tells a process of this very program which part it plays.
const PART: &str = "STENT_TEST_PART";
const DATABASE: &str = "STENT_TEST_DATABASE";

/// A part as a process of its own: this program, running one test, which does nothing but play the part.
fn command(part: &str, database: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "processes::plays_a_part_when_it_is_told_to",
            "--nocapture",
        ])
        .env(PART, part)
        .env(DATABASE, database)
        .stdout(Stdio::piped());
    command
}

fn process(part: &str, database: &Path) -> Child {
    command(part, database).spawn().unwrap()
}

/// The executions that a process said were acknowledged.
fn acknowledged(child: &mut Child) -> Vec<ExecutionId> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse().ok())
        .collect()
}

#[tokio::test]
async fn plays_a_part_when_it_is_told_to() {
    let Some(part) = std::env::var_os(PART) else {
        return;
    };
    let path = PathBuf::from(std::env::var_os(DATABASE).unwrap());
    let opened = SqliteOptions::new(path).open();
    if part == "looks" {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nopened {opened:?}").unwrap();
        return;
    }
    let store = opened.unwrap();
    for _ in 0..20 {
        let execution = dispatch(&store, "1").await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {execution}").unwrap();
        out.flush().unwrap();
    }
    if part == "dies" {
        let mut unanswered = Box::pin(stent_core::Store::dispatch(&store, one(execution("2"))));
        assert!(unanswered.as_mut().now_or_never().is_none());
        std::process::abort();
    }
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let mut child = process("dies", &path);
    let acknowledged = acknowledged(&mut child);
    assert!(!child.wait().unwrap().success());
    assert_eq!(acknowledged.len(), 20);
    let store = SqliteOptions::new(&path).open().unwrap();
    let kept = executions(&store).await;
    for execution in &acknowledged {
        assert!(kept.contains(execution));
    }
    // The one that was on its way is there as a whole, or not at all.
    assert!((20..=21).contains(&kept.len()));
}

#[tokio::test]
async fn ten_processes_start_on_an_empty_folder_and_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let mut children: Vec<Child> = (0..10).map(|_| process("works", &path)).collect();
    let mut all = Vec::new();
    for child in &mut children {
        all.extend(acknowledged(child));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(all.len(), 200);
    let store = SqliteOptions::new(&path).open().unwrap();
    let mut kept = executions(&store).await;
    kept.sort_unstable();
    all.sort_unstable();
    assert_eq!(kept, all);
}

#[cfg(unix)]
#[test]
fn a_database_that_can_only_be_read_is_refused() {
    use std::{
        fs::{Permissions, metadata, set_permissions},
        os::unix::{
            fs::{MetadataExt as _, PermissionsExt as _},
            process::CommandExt as _,
        },
    };

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    drop(SqliteOptions::new(&path).open().unwrap());
    set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let mut looks = command("looks", &path);
    if metadata(&path).unwrap().uid() == 0 {
        // No permission stops the superuser, so someone else looks: `nobody`.
        looks.uid(65_534);
    }
    let said = looks.output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(said.contains("opened Err(ReadOnly"), "{said}");
}
