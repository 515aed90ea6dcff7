//! Rows that this version cannot read: an error where they are asked for, and no harm to others.

use rusqlite::Connection;
use stent_core::{
    FailureKind, Outcome, StateKind, Store as _, StoreError,
    store::{ExecutionQuery, TaskQuery},
};
use stent_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use stent_conformance::requests::{claim, dispatch, executions};

fn store() -> (TempDir, SqliteStore, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    let store = SqliteOptions::new(&path).open().unwrap();
    let foreign = Connection::open(&path).unwrap();
    (folder, store, foreign)
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_by_itself_and_left_out_of_lists() {
    let (_folder, store, foreign) = store();
    let bad = dispatch(&store, "1").await.unwrap();
    let good = dispatch(&store, "2").await.unwrap();
    let id = &bad.as_bytes()[..];
    foreign
        .execute("UPDATE tasks SET commits = -1 WHERE id = ?1", [id])
        .unwrap();
    assert_eq!(executions(&store).await, [good]);
    let query = TaskQuery {
        ids: Some(vec![bad.root()]),
        ..TaskQuery::default()
    };
    let error = store.tasks(query).await.unwrap_err();
    assert!(matches!(error, StoreError::Final { .. }), "{error}");
    let claimed = claim(&store, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.execution, good);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_nothing_that_is_older() {
    let (_folder, store, foreign) = store();
    let mut made = Vec::new();
    for number in 0..6 {
        made.push(dispatch(&store, &number.to_string()).await.unwrap());
    }
    let id = &made[4].as_bytes()[..];
    let spoil = "UPDATE tasks SET commits = -1 WHERE id = ?1";
    foreign.execute(spoil, [id]).unwrap();
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let query = ExecutionQuery {
            limit: 2,
            before,
            ..ExecutionQuery::default()
        };
        let page = store.executions(query).await.unwrap();
        let listed = page.executions.iter().map(|one| one.root.task.execution);
        seen.extend(listed);
        before = seen.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [made[5], made[3], made[2], made[1], made[0]]);
}

#[tokio::test]
async fn rows_that_cannot_be_read_take_no_place_on_a_page() {
    let (_folder, store, foreign) = store();
    let mut made = Vec::new();
    for input in 0..12 {
        made.push(dispatch(&store, &input.to_string()).await.unwrap());
    }
    // The newest and the oldest, a whole page in between, and one whose tags are damaged.
    for bad in [11, 8, 7, 6, 5, 4, 0] {
        let id = &made[bad].as_bytes()[..];
        foreign
            .execute("UPDATE tasks SET commits = -1 WHERE id = ?1", [id])
            .unwrap();
    }
    let id = &made[2].as_bytes()[..];
    let tag = "INSERT INTO tags (root, tag) SELECT seq, '' FROM tasks WHERE id = ?1";
    foreign.execute(tag, [id]).unwrap();

    let mut query = ExecutionQuery {
        limit: 2,
        ..ExecutionQuery::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = store.executions(query.clone()).await.unwrap();
        let ids: Vec<_> = page
            .executions
            .iter()
            .map(|e| e.root.task.execution)
            .collect();
        query.before = ids.last().copied();
        pages.push(ids);
        if !page.more {
            break;
        }
    }
    let expected = [vec![made[10], made[9]], vec![made[3], made[1]]];
    assert_eq!(pages, expected);

    let mut query = TaskQuery {
        limit: 2,
        ..TaskQuery::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = store.tasks(query.clone()).await.unwrap();
        let ids: Vec<_> = page.tasks.iter().map(|t| t.task.execution).collect();
        query.after = page.tasks.last().map(|t| t.task.id);
        pages.push(ids);
        if !page.more {
            break;
        }
    }
    let expected = [
        vec![made[1], made[2]],
        vec![made[3], made[9]],
        vec![made[10]],
    ];
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn the_tables_take_no_bytes_for_text() {
    let (_folder, store, foreign) = store();
    dispatch(&store, "1").await.unwrap();
    assert!(
        foreign
            .execute("UPDATE tasks SET input = x'00ff'", [])
            .is_err()
    );
    assert!(
        foreign
            .execute("UPDATE tasks SET commits = 'many'", [])
            .is_err()
    );
}

#[tokio::test]
async fn an_input_that_is_no_text_ends_its_task_as_a_dead_letter_and_others_run() {
    let (_folder, store, foreign) = store();
    let bad = dispatch(&store, "1").await.unwrap();
    let good = dispatch(&store, "2").await.unwrap();
    let id = &bad.as_bytes()[..];
    foreign
        .execute(
            "UPDATE tasks SET input = CAST(x'22ff22' AS TEXT) WHERE id = ?1",
            [id],
        )
        .unwrap();
    let claimed = claim(&store, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.execution, good);
    foreign
        .execute("UPDATE tasks SET input = '1' WHERE id = ?1", [id])
        .unwrap();
    let query = ExecutionQuery {
        states: vec![StateKind::Failed],
        payloads: true,
        ..ExecutionQuery::default()
    };
    let dead = store.executions(query).await.unwrap().executions;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].root.task.execution, bad);
    let Some(Outcome::Failed(failure)) = &dead[0].root.outcome else {
        panic!("{dead:?}");
    };
    assert_eq!(failure.kind(), FailureKind::UndecodableInput);
}

#[tokio::test]
async fn a_lane_of_an_impossible_name_is_left_alone() {
    let (folder, store, foreign) = store();
    dispatch(&store, "1").await.unwrap();
    // Who knows a lane does not read it again.
    drop(store);
    let open = || SqliteOptions::new(folder.path().join("stent.db")).open();
    foreign
        .execute("UPDATE lanes SET function = ''", [])
        .unwrap();
    let store = open().unwrap();
    assert!(claim(&store, 10).await.unwrap().is_empty());
    dispatch(&store, "2").await.unwrap();
    assert_eq!(claim(&store, 10).await.unwrap().len(), 1);
}
