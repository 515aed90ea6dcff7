//! Cleanup in short transactions, however large executions are.

use std::time::Duration;

use rusqlite::Connection;
use stent_core::{
    Store as _, defaults,
    store::{CleanupAnswer, CleanupRequest},
};
use stent_store_sqlite::SqliteOptions;

use stent_conformance::requests::{dispatch, executions};

/// Gives each task a history of so many random values, as one that ran long would have.
const LONG_HISTORIES: &str = "
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?1)
INSERT INTO history (task, position, operation, after, abandoned, outcome_kind, outcome)
SELECT seq, number, 7, 0, 0, 4, '1' FROM tasks, numbers";

#[tokio::test]
async fn a_cleanup_takes_no_further_execution_once_it_has_many_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let store = SqliteOptions::new(&path).open().unwrap();
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(dispatch(&store, "1").await.unwrap());
    }
    store.cancel(made).await.unwrap();
    // With its task, each has half of the rows that may go together.
    let entries = u32::try_from(defaults::CLEANUP_ROWS / 2 - 1).unwrap();
    let foreign = Connection::open(&path).unwrap();
    foreign.execute(LONG_HISTORIES, [entries]).unwrap();
    let operations = "UPDATE tasks SET operations = ?1";
    foreign.execute(operations, [entries]).unwrap();

    let request = CleanupRequest {
        retention: Duration::ZERO,
        limit: defaults::CLEANUP_BATCH,
        interval: None,
    };
    for (deleted, left) in [(2, 3), (2, 1), (1, 0)] {
        let answer = store.clean_up(request).await.unwrap();
        let more = left > 0;
        let executions_deleted = CleanupAnswer::Deleted {
            executions: deleted,
            more,
        };
        assert_eq!(answer, executions_deleted);
        assert_eq!(executions(&store).await.len(), left);
    }
}
