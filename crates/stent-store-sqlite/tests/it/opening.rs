//! Whose file it is, its mode and settings, and every way in which opening is refused.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use stent_core::Store as _;
use stent_store_sqlite::{OpenError, SqliteOptions, SqliteStore};

use stent_conformance::requests::{dispatch, executions};

const SHORT: Duration = Duration::from_millis(20);

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteOptions::new(path).busy_timeout(SHORT).open()
}

fn bytes_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_missing_file_is_created_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a strange name?%.db");
    let store = open(&path).unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(store.path(), path);
}

#[tokio::test]
async fn what_was_half_made_when_the_power_went_is_undone_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, half) = (
        folder.path().join("whole.db"),
        folder.path().join("half.db"),
    );
    let journal_of = |path: &Path| path.with_extension("db-journal");
    let making = Connection::open(&whole).unwrap();
    // Pages go into the file before their commit, and the first one comes last.
    making
        .execute_batch(
            "PRAGMA cache_size = 10; BEGIN; CREATE TABLE some (what);
             WITH RECURSIVE each (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM each WHERE number < 100)
             INSERT INTO some SELECT zeroblob(4000) FROM each;",
        )
        .unwrap();
    fs::copy(&whole, &half).unwrap();
    fs::copy(journal_of(&whole), journal_of(&half)).unwrap();
    assert_eq!(fs::read(&half).unwrap()[..100], [0; 100]);
    let store = open(&half).unwrap();
    dispatch(&store, "1").await.unwrap();
    assert!(!journal_of(&half).exists());
}

/// Counts warnings about those who may use a file.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains("chmod") {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_file_that_everybody_may_use_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    drop(open(&path).unwrap());
    for (mode, warns) in [(0o600, 0), (0o660, 0), (0o644, 1), (0o662, 1), (0o666, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || drop(open(&path).unwrap()));
        assert_eq!(warnings.0.load(Ordering::SeqCst), warns, "{mode:o}");
    }
}

#[test]
fn a_missing_file_that_must_not_be_created_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.db");
    let error = SqliteOptions::new(&path).create(false).open().unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(!path.exists());
    let error = open(&folder.path().join("no/such.db")).unwrap_err();
    assert!(matches!(error, OpenError::MissingFolder { .. }), "{error}");
}

#[test]
fn a_folder_in_place_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for create in [true, false] {
        let options = SqliteOptions::new(folder.path()).create(create);
        let error = options.open().unwrap_err();
        assert!(matches!(error, OpenError::IsAFolder { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    }
}

#[test]
fn what_is_no_database_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.db");
    for content in ["hello".to_owned(), "not a database ".repeat(1_000)] {
        fs::write(&path, content).unwrap();
        let before = bytes_of(folder.path());
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        assert_eq!(bytes_of(folder.path()), before);
    }
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_was() {
    for statements in [
        "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);",
        "PRAGMA application_id = 77; CREATE TABLE theirs (x);",
        "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x);",
        "PRAGMA user_version = 3; CREATE TABLE theirs (x); DROP TABLE theirs;",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(statements)
            .unwrap();
        let before = bytes_of(folder.path());
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::AnotherProgram { .. }), "{error}");
        assert_eq!(bytes_of(folder.path()), before, "{statements}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    drop(open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = bytes_of(folder.path());
    let error = open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::NewerSchema {
                found: 99,
                known: 3,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(bytes_of(folder.path()), before);
}

#[test]
fn a_database_that_stays_locked_is_told_and_one_that_is_unlocked_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let foreign = Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = open(&path).unwrap_err();
    assert!(
        matches!(error, OpenError::Locked { waited: SHORT, .. }),
        "{error}"
    );
    foreign.execute_batch("ROLLBACK").unwrap();
    assert!(open(&path).is_ok());
}

#[test]
fn a_new_database_that_finds_no_room_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    // Too little for the schema.
    let connection = Connection::open(&path).unwrap();
    drop(connection);
    let error = SqliteOptions::new(&path)
        .max_bytes(8_192)
        .open()
        .unwrap_err();
    assert!(matches!(error, OpenError::DiskFull { .. }), "{error}");
    assert!(open(&path).is_ok());
}

#[tokio::test]
async fn ten_may_open_an_empty_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = Arc::new(folder.path().join("stent.db"));
    let barrier = Arc::new(Barrier::new(10));
    let openers: Vec<_> = (0..10)
        .map(|_| {
            let (path, barrier) = (Arc::clone(&path), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                SqliteOptions::new(&*path).open().unwrap()
            })
        })
        .collect();
    let stores: Vec<_> = openers.into_iter().map(|one| one.join().unwrap()).collect();
    for store in &stores {
        dispatch(store, "1").await.unwrap();
    }
    for store in &stores {
        assert_eq!(executions(store).await.len(), 10);
    }
}

#[tokio::test]
async fn an_interrupted_first_start_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    // As it is when a process ends between the creation of the file and the migration, or between that and the journal mode.
    fs::write(&path, "").unwrap();
    drop(open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE")
        .unwrap();
    drop(connection);
    let store = open(&path).unwrap();
    dispatch(&store, "1").await.unwrap();
    assert!(folder.path().join("stent.db-wal").exists());
    assert!(store.functions().await.unwrap().len() == 1);
}
