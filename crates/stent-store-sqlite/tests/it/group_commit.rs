//! Many requests in one transaction, each whole or not at all, and what a lock or a full disk does to them.

use std::time::Duration;

use futures_util::{FutureExt as _, future::join_all};
use rusqlite::Connection;
use stent_core::{Store as _, StoreError, defaults::BATCH_MAX, store::DispatchRequest};
use stent_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use stent_conformance::requests::{claim, dispatch, execution, executions, one};

fn store(busy_timeout: Duration) -> (TempDir, SqliteStore, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let store = SqliteOptions::new(&path)
        .busy_timeout(busy_timeout)
        .open()
        .unwrap();
    let foreign = Connection::open(&path).unwrap();
    (folder, store, foreign)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn requests_that_wait_together_are_committed_together() {
    let (_folder, store, foreign) = store(LONG);
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut requests: Vec<_> = (0..100)
        .map(|_| Box::pin(store.dispatch(one(execution("1")))))
        .collect();
    for request in &mut requests {
        assert!(request.as_mut().now_or_never().is_none());
    }
    foreign.execute_batch("COMMIT").unwrap();
    for answer in join_all(requests).await {
        answer.unwrap();
    }
    let counts = store.write_counts();
    assert_eq!(counts.requests, 100);
    // The first may have been taken alone while the others were still being sent.
    assert!(counts.commits <= 2, "{counts:?}");
}

#[tokio::test]
async fn a_write_waits_for_a_foreign_lock_and_goes_on() {
    let (_folder, store, foreign) = store(LONG);
    foreign.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut request = Box::pin(dispatch(&store, "1"));
    assert!(request.as_mut().now_or_never().is_none());
    foreign.execute_batch("COMMIT").unwrap();
    request.await.unwrap();
    assert_eq!(executions(&store).await.len(), 1);
}

#[tokio::test]
async fn a_lock_that_stays_makes_a_write_retryable_and_nothing_happens() {
    let (_folder, store, foreign) = store(Duration::from_millis(20));
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = dispatch(&store, "1").await.unwrap_err();
    assert!(matches!(error, StoreError::Retryable { .. }), "{error}");
    assert!(executions(&store).await.is_empty());
    foreign.execute_batch("ROLLBACK").unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(executions(&store).await.len(), 1);
}

#[tokio::test]
async fn a_caller_who_goes_leaves_the_request_whole() {
    let (_folder, store, foreign) = store(LONG);
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let executions_of_one = DispatchRequest {
        executions: (0..3).map(|_| execution("1")).collect(),
    };
    let mut request = Box::pin(store.dispatch(executions_of_one));
    assert!(request.as_mut().now_or_never().is_none());
    drop(request);
    foreign.execute_batch("COMMIT").unwrap();
    dispatch(&store, "1").await.unwrap();
    assert_eq!(executions(&store).await.len(), 4);
}

#[tokio::test]
async fn what_was_accepted_is_committed_before_the_store_is_gone() {
    let (folder, store, foreign) = store(LONG);
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut request = Box::pin(store.dispatch(one(execution("1"))));
    assert!(request.as_mut().now_or_never().is_none());
    drop(request);
    foreign.execute_batch("COMMIT").unwrap();
    drop(store);
    let store = SqliteOptions::new(folder.path().join("stent.db"))
        .open()
        .unwrap();
    assert_eq!(executions(&store).await.len(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    let store = SqliteOptions::new(&path).max_bytes(600_000).open().unwrap();
    dispatch(&store, "1").await.unwrap();
    let error = dispatch(&store, &large).await.unwrap_err();
    assert!(matches!(error, StoreError::Retryable { .. }), "{error}");
    assert!(error.to_string().contains("no room left"), "{error}");
    assert_eq!(executions(&store).await.len(), 1);
    dispatch(&store, "2").await.unwrap();
    assert_eq!(claim(&store, 10).await.unwrap().len(), 2);
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let check: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    drop(connection);
    let store = SqliteOptions::new(&path).open().unwrap();
    dispatch(&store, &large).await.unwrap();
}

#[tokio::test]
async fn a_request_that_does_not_fit_fails_alone_among_those_of_its_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let store = SqliteOptions::new(&path)
        .max_bytes(600_000)
        .busy_timeout(LONG)
        .open()
        .unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    let mut requests: Vec<_> = ["1", "2", large.as_str(), "3", "4"]
        .map(|input| Box::pin(dispatch(&store, input)))
        .into();
    for request in &mut requests {
        assert!(request.as_mut().now_or_never().is_none());
    }
    foreign.execute_batch("COMMIT").unwrap();
    let answers = join_all(requests).await;
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Ok(_) => assert_ne!(number, 2),
            // SQLite may undo the whole transaction: then those before it are told to try again, and nothing of them is there.
            Err(error) => assert!(matches!(error, StoreError::Retryable { .. }), "{error}"),
        }
    }
    let acknowledged = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(acknowledged >= 2);
    assert_eq!(executions(&store).await.len(), acknowledged);
}

#[tokio::test]
async fn a_request_that_is_too_long_is_refused() {
    let (_folder, store, _foreign) = store(LONG);
    let executions = (0..=BATCH_MAX).map(|_| execution("1")).collect();
    let error = store
        .dispatch(DispatchRequest { executions })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_large_input_comes_back_as_it_was() {
    let (_folder, store, _foreign) = store(LONG);
    for bytes in [1, 510, 511, 4_000, 4 * 1024 * 1024 - 2] {
        let input = format!("\"{}\"", "é".repeat(bytes / 2));
        dispatch(&store, &input).await.unwrap();
        let claimed = claim(&store, 10).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].input.as_str(), input);
    }
}

#[tokio::test]
async fn a_log_that_a_long_reader_let_grow_goes_back_to_its_bound() {
    const KEPT_BYTES: u64 = 64 * 1024 * 1024;
    let (folder, store, reader) = store(LONG);
    let log = folder.path().join("stent.db-wal");
    let log_bytes = || std::fs::metadata(&log).unwrap().len();
    dispatch(&store, "1").await.unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
        .unwrap();
    let large = format!("\"{}\"", "x".repeat(4_000_000));
    while log_bytes() <= KEPT_BYTES {
        dispatch(&store, &large).await.unwrap();
    }
    reader.execute_batch("COMMIT").unwrap();
    // The first finds the log read by nobody and empties it; the second begins it anew.
    for _ in 0..2 {
        dispatch(&store, "1").await.unwrap();
    }
    assert!(log_bytes() <= KEPT_BYTES, "{}", log_bytes());
}
