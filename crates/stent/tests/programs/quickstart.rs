//! The main job, killed at random moments: nothing is lost, nothing counts twice, what is broken fails alone.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::process::{Ended, Running, example};

/// A folder to index, and beside it the database and the report.
struct Job {
    home: TempDir,
}

impl Job {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("folder")).unwrap();
        Self { home }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("folder")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn command(&self, database: &Path) -> Command {
        let mut command = example("quickstart");
        command
            .arg(self.folder())
            .arg("--database")
            .arg(database)
            .arg("--report")
            .arg(self.home.path().join("report.md"))
            .args(["--lease", "400ms"]);
        command
    }

    fn start(&self) -> Running {
        Running::start(self.command(&self.home.path().join("index.db")))
    }

    fn report(&self) -> Report {
        Report(fs::read_to_string(self.home.path().join("report.md")).unwrap())
    }
}

struct Report(String);

impl Report {
    /// The cells of the rows of a section.
    fn rows(&self, section: &str) -> Vec<Vec<&str>> {
        let Some((_, rest)) = self.0.split_once(section) else {
            return Vec::new();
        };
        let section = rest.split("\n#").next().unwrap_or_default();
        section
            .lines()
            .filter(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| {
                let cells = line.trim_matches('|').split(" | ");
                cells.map(|cell| cell.trim().trim_matches('`')).collect()
            })
            .collect()
    }

    /// Every file with its hash; none twice.
    fn hashes(&self) -> BTreeMap<String, String> {
        let rows = self.rows("## All files");
        let hashes: BTreeMap<_, _> = rows
            .iter()
            .map(|row| (row[2].to_owned(), row[0].to_owned()))
            .collect();
        assert_eq!(hashes.len(), rows.len(), "a file stands there twice");
        hashes
    }

    /// How many files each start did.
    fn done_by_starts(&self) -> Vec<usize> {
        let rows = self.rows("## Before and after restarts");
        rows.iter().map(|row| row[2].parse().unwrap()).collect()
    }

    /// What could not be indexed, and why.
    fn problems(&self) -> BTreeMap<&str, &str> {
        let rows = self.rows("## Not indexed");
        rows.iter().map(|row| (row[0], row[1])).collect()
    }
}

fn hash(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A generator of numbers that is the same for the same seed (SplitMix64, Steele et al. 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[test]
fn an_index_that_is_killed_at_random_moments_holds_every_file_once() {
    let seed = std::env::var("STENT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()));
    println!("STENT_SEED={seed}");
    let mut random = Random(seed);
    let job = Job::new();
    let mut expected = BTreeMap::new();
    for number in 0..120 {
        let content: Vec<u8> = (0..random.below(60_000))
            .map(|_| random.below(256) as u8)
            .collect();
        let path = format!("part {}/file-{number}", number % 7);
        job.write(&path, &content);
        expected.insert(path, hash(&content));
    }
    let mut kills = 0;
    // Each start is killed after some more of its lines; the last one is left alone.
    while kills < 8 {
        let mut running = job.start();
        let lines = 1 + random.below(7);
        let ended = (0..lines).any(|_| {
            running
                .line()
                .is_none_or(|line| line.starts_with("report:"))
        });
        running.kill();
        if ended {
            break;
        }
        kills += 1;
    }
    let output = job.start().wait().success();
    let report = job.report();
    assert_eq!(report.hashes(), expected, "after {kills} kills\n{output}");
    let done = report.done_by_starts();
    assert_eq!(
        done.iter().sum::<usize>(),
        expected.len(),
        "{done:?}\n{output}"
    );
    assert!(report.problems().is_empty());
}

#[test]
fn what_was_done_before_a_restart_is_not_done_again_and_the_report_says_so() {
    let job = Job::new();
    for number in 0..40 {
        job.write(&format!("{number}"), [b'x'; 100_000]);
    }
    let mut running = job.start();
    let done_before = loop {
        let line = running.line().unwrap();
        if let Some((done, _)) = line.split_once(" of 40 files are done") {
            break done.parse::<usize>().unwrap();
        }
    };
    running.kill();
    let output = job.start().wait().success();
    assert!(output.contains("going on with the index"), "{output}");
    let done = job.report().done_by_starts();
    // What was not said yet may have been done, too; but what was said is not done again.
    assert!(
        matches!(done[..], [before, after] if before >= done_before && before + after == 40),
        "{done:?}\n{output}"
    );
    assert!(
        output.contains(&format!(
            "{} files were done before the restart, {} after it",
            done[0], done[1]
        )),
        "{output}"
    );
}

#[test]
#[cfg(unix)]
fn an_interrupted_index_gives_its_leases_back_and_the_next_start_goes_on_at_once() {
    gives_its_leases_back_on(rustix::process::Signal::INT);
}

#[test]
#[cfg(unix)]
fn an_index_that_is_told_to_terminate_gives_its_leases_back_too() {
    gives_its_leases_back_on(rustix::process::Signal::TERM);
}

#[cfg(unix)]
fn gives_its_leases_back_on(signal: rustix::process::Signal) {
    let job = Job::new();
    for number in 0..200 {
        job.write(&format!("{number}"), [b'x'; 400_000]);
    }
    let mut running = job.start();
    while running
        .line()
        .is_some_and(|line| !line.contains("files are done"))
    {}
    running.signal(signal);
    let Ended {
        status,
        output,
        errors,
    } = running.wait();
    assert_eq!(status.code(), Some(130), "{output}{errors}");
    assert!(output.contains("interrupted"), "{output}");
    let output = job.start().wait().success();
    assert!(!output.contains("waiting"), "{output}");
    assert_eq!(job.report().hashes().len(), 200);
}

#[test]
fn a_lease_that_is_refused_dispatches_nothing() {
    let job = Job::new();
    let mut command = example("quickstart");
    let database = job.home.path().join("index.db");
    command.arg(job.folder()).arg("--database").arg(&database);
    command.args(["--lease", "1ms"]);
    let Ended { status, errors, .. } = Running::start(command).wait();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(errors.contains("1ms") && errors.contains("10"), "{errors}");
    assert!(!database.exists());
}

#[test]
fn a_start_that_goes_on_puts_the_report_where_it_was_told() {
    let job = Job::new();
    for number in 0..40 {
        job.write(&format!("{number}"), [b'x'; 100_000]);
    }
    let mut running = job.start();
    while running
        .line()
        .is_some_and(|line| !line.contains("files are done"))
    {}
    running.kill();
    let elsewhere = job.home.path().join("elsewhere.md");
    let mut command = example("quickstart");
    command
        .arg(job.folder())
        .arg("--database")
        .arg(job.home.path().join("index.db"))
        .arg("--report")
        .arg(&elsewhere);
    let output = Running::start(command).wait().success();
    assert!(output.contains("going on"), "{output}");
    assert!(output.contains("report: ") && output.contains("elsewhere.md"));
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), job.report().0);
}

#[test]
fn folders_that_cannot_be_made_are_named() {
    let job = Job::new();
    let file = job.home.path().join("file");
    fs::write(&file, "").unwrap();
    let good = job.home.path().join("good");
    let bad = file.join("below").join("it");
    for (database, report) in [(&bad, &good), (&good, &bad)] {
        let mut command = example("quickstart");
        command.arg(job.folder()).arg("--database").arg(database);
        command.arg("--report").arg(report);
        let Ended { status, errors, .. } = Running::start(command).wait();
        assert_eq!(status.code(), Some(1));
        let below = file.join("below").display().to_string();
        assert!(
            errors.contains("cannot make") && errors.contains(&below),
            "{errors}"
        );
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_hashed() {
    let job = Job::new();
    let report = job.home.path().join("report.md");
    fs::create_dir(&report).unwrap();
    let Ended {
        status,
        output,
        errors,
    } = job.start().wait();
    assert_eq!((status.code(), output.as_str()), (Some(1), ""), "{errors}");
    assert!(
        errors.contains("cannot write") && errors.contains("report.md"),
        "{errors}"
    );
    assert!(!job.home.path().join("index.db").exists());
}

#[test]
fn a_finished_index_started_again_is_a_new_one() {
    let job = Job::new();
    job.write("one", "one two\nthree");
    job.start().wait().success();
    job.write("two", "");
    let output = job.start().wait().success();
    assert!(!output.contains("going on"), "{output}");
    let report = job.report();
    assert_eq!(
        report.hashes(),
        BTreeMap::from([
            ("one".to_owned(), hash(b"one two\nthree")),
            ("two".to_owned(), hash(b""))
        ])
    );
    assert_eq!(
        report.rows("## The ten largest files")[0],
        ["13", "2", "3", "one"]
    );
}

#[test]
fn an_empty_folder_has_an_empty_index() {
    let job = Job::new();
    let output = job.start().wait().success();
    assert!(output.contains("0 files were done in one go"), "{output}");
    assert!(job.report().hashes().is_empty());
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_fails_alone_and_links_are_not_followed() {
    use std::os::unix::fs::symlink;

    use rustix::fs::FileType;

    let job = Job::new();
    job.write("good", "good");
    job.write(".git/config", "left out");
    job.write("target/debug/thing", "left out");
    job.write("odd | name `x`\n", "odd");
    symlink(job.folder(), job.folder().join("loop")).unwrap();
    symlink("good", job.folder().join("link")).unwrap();
    let pipe = job.folder().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
    let output = job.start().wait().success();
    let report = job.report();
    let hashes = report.hashes();
    assert_eq!(hashes.len(), 2, "{output}\n{}", report.0);
    assert_eq!(hashes["good"], hash(b"good"));
    assert!(report.0.contains("| links, not followed | 2 |"));
    assert!(report.0.contains("Left out: `.git`, `target`."));
    assert!(report.problems().is_empty());
}

#[test]
#[cfg(unix)]
fn unreadable_and_vanished_files_are_in_the_report_with_a_reason() {
    use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};

    let job = Job::new();
    job.write("good", "good");
    job.write("closed/file", "closed");
    let undecodable = job.folder().join(std::ffi::OsStr::from_bytes(b"bad\xff"));
    fs::write(undecodable, "x").unwrap();
    let closed = job.folder().join("closed");
    let permit = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o000);
    let rights_are_ignored = fs::read_dir(&closed).is_ok();
    let output = job.start().wait().success();
    permit(0o700);
    let report = job.report();
    let problems = report.problems();
    assert_eq!(
        problems.get("bad\u{fffd}"),
        Some(&"its name is not UTF-8"),
        "{output}"
    );
    // For the superuser nothing is closed.
    if !rights_are_ignored {
        assert!(
            problems["closed"].contains("Permission denied"),
            "{problems:?}"
        );
        assert_eq!(problems.len(), 2);
    }
    assert_eq!(report.hashes()["good"], hash(b"good"));
}

#[test]
fn a_file_that_vanishes_after_it_was_listed_fails_alone() {
    let job = Job::new();
    for number in 0..60 {
        job.write(&format!("{number:02}"), [b'x'; 200_000]);
    }
    let mut running = job.start();
    while running
        .line()
        .is_some_and(|line| !line.contains("files are done"))
    {}
    running.kill();
    // It was listed before the kill, and none of those that are listed last was read yet.
    fs::remove_file(job.folder().join("59")).unwrap();
    let output = job.start().wait().success();
    let report = job.report();
    assert_eq!(
        report.problems().keys().collect::<Vec<_>>(),
        [&"59"],
        "{output}"
    );
    assert!(report.problems()["59"].contains("No such file"), "{output}");
    assert_eq!(report.hashes().len(), 59);
}

#[test]
fn a_database_in_the_folder_is_not_opened_and_not_indexed() {
    let job = Job::new();
    job.write("good", "good");
    let database = job.folder().join("index.db");
    for _ in 0..2 {
        Running::start(job.command(&database)).wait().success();
        let hashes = job.report().hashes();
        assert_eq!(hashes.keys().collect::<Vec<_>>(), ["good"]);
    }
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_says_so() {
    let job = Job::new();
    fs::remove_dir(job.folder()).unwrap();
    let Ended { status, errors, .. } = job.start().wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        errors.contains("cannot index") && errors.contains("folder"),
        "{errors}"
    );
}
