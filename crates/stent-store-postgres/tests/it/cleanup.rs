//! Deleting what has many rows.

use std::time::Duration;

use stent_core::{
    Store as _,
    store::{CleanupAnswer, CleanupRequest},
};
use stent_store_postgres::PostgresStore;

use crate::support::{database, open};

/// Executions that ended one after the other: so many, each with so many children and so many entries in its root's history.
fn ended(executions: u32, children: u32, entries: u32) -> String {
    format!(
        "WITH root AS (
            INSERT INTO stent.task_rows (id, lane, state, ended_at, queued_at, created_at, input, operations)
            SELECT stent.new_id(stent.now_us()), 4, 4, number, 1, 1, 'null', {entries} FROM generate_series(1, {executions}) AS number
            RETURNING id
        ), entry AS (
            INSERT INTO stent.history (task, position, operation, after, abandoned)
            SELECT id, number, 1, 0, false FROM root, generate_series(1, {entries}) AS number
        )
        INSERT INTO stent.task_rows (id, execution, parent, position, lane, state, ended_at, queued_at, created_at, input)
        SELECT stent.new_id(stent.now_us()), id, id, number, 4, 4, 1, 1, 1, 'null' FROM root, generate_series(1, {children}) AS number"
    )
}

/// How many executions each of the cleanups deletes that follow each other.
async fn cleaned(store: &PostgresStore) -> Vec<u32> {
    let request = CleanupRequest {
        retention: Duration::ZERO,
        limit: 500,
        interval: None,
    };
    let mut all = Vec::new();
    loop {
        let cleaned = store.clean_up(request).await.unwrap();
        let CleanupAnswer::Deleted { executions, more } = cleaned else {
            panic!("no schedule was asked for");
        };
        all.push(executions);
        if !more {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_deletes_as_many_rows_as_one_transaction_should() {
    let database = database();
    let store = open(database.url()).await;
    let rows =
        "SELECT (SELECT count(*) FROM stent.task_rows) + (SELECT count(*) FROM stent.history)";
    for (executions, children, entries, expected) in [
        // 12,001 rows of tasks each, or as many of histories.
        (3, 12_000, 0, vec![1, 1, 1]),
        (3, 0, 12_000, vec![1, 1, 1]),
        (5, 6_000, 0, vec![3, 2]),
        // One with more goes as a whole.
        (2, 25_000, 0, vec![1, 1]),
        (1, 1, 30_000, vec![1]),
        (400, 9, 0, vec![400]),
    ] {
        database.sql(&ended(executions, children, entries)).unwrap();
        assert_eq!(cleaned(&store).await, expected, "{children} {entries}");
        assert_eq!(database.sql(rows).unwrap(), "0");
    }
}
