//! Files that are deleted, moved or replaced while a store has them open.

use std::{
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};

use stent_conformance::requests::{dispatch, executions};
use stent_core::{
    Store as _, StoreError,
    store::{ExecutionQuery, HistoryRequest},
};
use stent_store_sqlite::{FileChanged, SqliteOptions, SqliteStore};
use tempfile::TempDir;

fn store() -> (TempDir, PathBuf, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let store = SqliteOptions::new(&path).open().unwrap();
    (folder, path, store)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// What is wrong with the files, by an error that says that nothing goes before someone mends it.
fn changed(error: &StoreError) -> FileChanged {
    assert!(matches!(error, StoreError::Final { .. }), "{error}");
    let source = error.source().unwrap();
    source.downcast_ref::<FileChanged>().unwrap().clone()
}

/// Every way to use a store is refused.
async fn refused(store: &SqliteStore, expected: &FileChanged) {
    let written = dispatch(store, "1").await.unwrap_err();
    assert_eq!(changed(&written), *expected);
    let read = store.executions(ExecutionQuery::default()).await;
    assert_eq!(changed(&read.unwrap_err()), *expected);
    let history = store.history(Vec::<HistoryRequest>::new()).await;
    assert_eq!(changed(&history.unwrap_err()), *expected);
    assert!(store.health().await.is_err());
}

#[tokio::test]
async fn a_database_that_is_deleted_is_used_no_more() {
    for end in ["", "-wal", "-shm"] {
        let (_folder, path, store) = store();
        dispatch(&store, "1").await.unwrap();
        let path = beside(&path, end);
        fs::remove_file(&path).unwrap();
        refused(&store, &FileChanged::Missing { path }).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_put_in_place_is_left_alone_by_who_has_the_old_one_open() {
    let (folder, path, store) = store();
    dispatch(&store, "1").await.unwrap();
    let backup = folder.path().join("backup.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    let name = backup.to_str().unwrap();
    foreign.execute("VACUUM INTO ?1", [name]).unwrap();
    drop(foreign);
    dispatch(&store, "2").await.unwrap();
    let before = fs::read(&backup).unwrap();

    fs::rename(&backup, &path).unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, end)).unwrap();
    }
    let replaced = FileChanged::Replaced { path: path.clone() };
    refused(&store, &replaced).await;
    assert!(fs::read(&path).unwrap() == before, "it was changed");

    // Whoever closes a database last removes the files beside it, by their names: here they are another's by now.
    let restored = SqliteOptions::new(&path).open().unwrap();
    dispatch(&restored, "3").await.unwrap();
    drop(store);
    dispatch(&restored, "4").await.unwrap();
    assert_eq!(executions(&restored).await.len(), 3);
}

#[tokio::test]
async fn a_log_that_was_taken_away_does_not_go_into_the_database_any_more() {
    let (_folder, path, store) = store();
    dispatch(&store, "1").await.unwrap();
    let before = fs::read(&path).unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, end)).unwrap();
    }
    drop(store);
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[tokio::test]
async fn a_database_that_is_put_back_is_used_again() {
    let (folder, path, store) = store();
    let away = folder.path().join("away.db");
    fs::rename(&path, &away).unwrap();
    refused(&store, &FileChanged::Missing { path: path.clone() }).await;
    fs::rename(&away, &path).unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(executions(&store).await.len(), 1);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    let (folder, path, store) = store();
    drop(store);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let store = SqliteOptions::new(&link).open().unwrap();
    dispatch(&store, "1").await.unwrap();
    fs::remove_file(&link).unwrap();
    fs::write(folder.path().join("other.db"), "").unwrap();
    std::os::unix::fs::symlink("other.db", &link).unwrap();
    refused(&store, &FileChanged::Replaced { path: link }).await;
}
