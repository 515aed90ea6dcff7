//! Dispatching in a transaction of the caller's, on a connection of the caller's.

use std::{path::PathBuf, time::Duration};

use futures_util::StreamExt as _;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use stent_core::{
    ExecutionId, Hint, IdempotencyKey, NewExecution, Payload, Priority, QueueName, Store as _,
    StoreError, Tag, Timestamp, When, defaults,
    store::{DispatchRequest, Dispatched, ExecutionQuery},
};
use stent_store_sqlite::{DispatchInError, SqliteOptions, SqliteStore};
use tempfile::TempDir;

use stent_conformance::requests::{claim, dispatch, execution, executions, one};

struct World {
    folder: TempDir,
    store: SqliteStore,
    /// The caller's own.
    connection: Connection,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteOptions::new(folder.path().join("stent.db"))
        .open()
        .unwrap();
    let connection = Connection::open(folder.path().join("stent.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    World {
        folder,
        store,
        connection,
    }
}

fn immediate(connection: &mut Connection) -> Transaction<'_> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap()
}

/// All that can be seen of an execution, with instants as spans since it was made and nothing of its id.
async fn seen(store: &SqliteStore, id: ExecutionId) -> String {
    let query = ExecutionQuery {
        ids: Some(vec![id]),
        payloads: true,
        limit: 1,
        ..ExecutionQuery::default()
    };
    let page = store.executions(query).await.unwrap();
    let record = &page.executions[0];
    let task = &record.root.task;
    let made = task.created_at;
    let span = |at: Timestamp| (at != Timestamp::MAX).then(|| at.since(made));
    let input = record.root.input.as_ref().map(Payload::as_str);
    let (key, tags) = (&record.idempotency_key, &record.tags);
    let run_at = task.state.due_at().map(span);
    let deadline = task.deadline.map(span);
    format!(
        "{input:?} {key:?} {tags:?} {:?} {run_at:?} {:?} {deadline:?}",
        task.lane(),
        task.timeout,
    )
}

fn some_of_all() -> Vec<NewExecution> {
    let mut all: Vec<NewExecution> = (0..4).map(|_| execution(r#"{"id": 17}"#)).collect();
    all[1].root.queue = QueueName::new("mail").unwrap();
    all[1].root.priority = Priority(-7);
    all[1].tags = ["vip", "new"].map(|tag| Tag::new(tag).unwrap()).to_vec();
    all[2].root.due = When::After(Duration::from_secs(60));
    all[2].root.deadline = Some(When::After(Duration::MAX));
    all[3].root.due = When::At(Timestamp::from_micros(1));
    all[3].root.timeout = Some(Duration::from_nanos(1));
    all
}

#[tokio::test]
async fn what_is_dispatched_in_a_transaction_is_what_the_store_dispatches() {
    let mut world = world();
    let executions = some_of_all();
    let by_store = world.store.dispatch(DispatchRequest { executions }).await;
    let executions = some_of_all();
    let request = DispatchRequest { executions };
    let transaction = immediate(&mut world.connection);
    let answer = world.store.dispatch_in(&transaction, &request).unwrap();
    transaction.commit().unwrap();
    for (one, other) in by_store.unwrap().executions.iter().zip(answer.executions) {
        assert!(matches!(other, Dispatched::Created(_)));
        assert_eq!(
            seen(&world.store, one.execution()).await,
            seen(&world.store, other.execution()).await
        );
    }
}

#[tokio::test]
async fn an_execution_is_there_with_the_callers_own_rows_or_not_at_all() {
    let mut world = world();
    let store = &world.store;
    world
        .connection
        .execute("CREATE TABLE orders (id INTEGER)", ())
        .unwrap();
    for is_committed in [false, true] {
        let transaction = immediate(&mut world.connection);
        transaction
            .execute("INSERT INTO orders VALUES (17)", ())
            .unwrap();
        let request = one(execution("1"));
        let answer = store.dispatch_in(&transaction, &request).unwrap();
        assert!(matches!(answer.executions[..], [Dispatched::Created(_)]));
        assert!(executions(store).await.is_empty());
        if is_committed {
            transaction.commit().unwrap();
        } else {
            transaction.rollback().unwrap();
        }
        let orders: u32 = world
            .connection
            .query_row("SELECT count(*) FROM orders", (), |row| row.get(0))
            .unwrap();
        let orders = orders as usize;
        assert_eq!(orders, usize::from(is_committed));
        assert_eq!(executions(store).await.len(), orders);
        assert_eq!(claim(store, 10).await.unwrap().len(), orders);
    }
    // The store knows of the lane that was made beside it.
    dispatch(store, "2").await.unwrap();
    assert_eq!(claim(store, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_in_use_names_what_exists() {
    let mut world = world();
    let keyed = |input: &str, key: &str| {
        let mut execution = execution(input);
        execution.idempotency_key = Some(IdempotencyKey::new(key).unwrap());
        execution
    };
    let known = world.store.dispatch(one(keyed("1", "known"))).await;
    let known = known.unwrap().executions[0].execution();
    let executions = vec![
        keyed("1", "known"),
        keyed("2", "known"),
        keyed("1", "new"),
        keyed("2", "new"),
    ];
    let new = executions[2].root.id.as_root();
    let request = DispatchRequest { executions };
    let transaction = immediate(&mut world.connection);
    let answer = world.store.dispatch_in(&transaction, &request).unwrap();
    transaction.commit().unwrap();
    let existing = |execution, other_input| Dispatched::Existing {
        execution,
        other_input,
    };
    assert_eq!(
        answer.executions,
        [
            existing(known, false),
            existing(known, true),
            Dispatched::Created(new),
            existing(new, true),
        ]
    );
    let again = world.store.dispatch(one(keyed("1", "new"))).await.unwrap();
    assert_eq!(again.executions, [existing(new, false)]);
}

#[tokio::test]
async fn a_transaction_of_another_file_is_refused() {
    let one_world = world();
    let mut other = world();
    let request = one(execution("1"));
    let mut in_memory = Connection::open_in_memory().unwrap();
    for connection in [&mut other.connection, &mut in_memory] {
        let transaction = immediate(connection);
        let refused = one_world.store.dispatch_in(&transaction, &request);
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, DispatchInError::OtherDatabase { .. }),
            "{refused:?}"
        );
        transaction.commit().unwrap();
    }
    assert!(executions(&one_world.store).await.is_empty());
    assert!(executions(&other.store).await.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_the_same_by_another_name() {
    let world = world();
    let link: PathBuf = world.folder.path().join("link.db");
    std::os::unix::fs::symlink(world.store.path(), &link).unwrap();
    let mut connection = Connection::open(&link).unwrap();
    let transaction = immediate(&mut connection);
    let request = one(execution("1"));
    world.store.dispatch_in(&transaction, &request).unwrap();
    transaction.commit().unwrap();
    assert_eq!(executions(&world.store).await.len(), 1);
}

#[tokio::test]
async fn a_newer_schema_under_an_open_store_is_told() {
    let mut world = world();
    world
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let transaction = immediate(&mut world.connection);
    let request = one(execution("1"));
    let refused = world.store.dispatch_in(&transaction, &request).unwrap_err();
    assert!(
        matches!(refused, DispatchInError::OtherSchema { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_request_that_fails_leaves_the_transaction_as_it_was() {
    let mut world = world();
    world
        .connection
        .execute_batch(
            "CREATE TABLE orders (id INTEGER);
             CREATE TRIGGER refuse BEFORE INSERT ON tags BEGIN SELECT raise(ABORT, 'no tags'); END;",
        )
        .unwrap();
    let transaction = immediate(&mut world.connection);
    transaction
        .execute("INSERT INTO orders VALUES (17)", ())
        .unwrap();
    let mut tagged = execution("2");
    tagged.tags = vec![Tag::new("t").unwrap()];
    let executions = vec![execution("1"), tagged];
    let request = DispatchRequest { executions };
    assert!(world.store.dispatch_in(&transaction, &request).is_err());
    let executions = vec![execution("1"); defaults::BATCH_MAX + 1];
    let request = DispatchRequest { executions };
    let refused = world.store.dispatch_in(&transaction, &request).unwrap_err();
    assert!(
        matches!(refused, DispatchInError::Store(StoreError::Refused { .. })),
        "{refused:?}"
    );
    let request = one(execution("3"));
    world.store.dispatch_in(&transaction, &request).unwrap();
    transaction.commit().unwrap();
    let claimed = claim(&world.store, 10).await.unwrap();
    let inputs: Vec<_> = claimed.iter().map(|task| task.input.as_str()).collect();
    assert_eq!(inputs, ["3"]);
}

/// A transaction that has read before another one wrote can no longer write: nothing that it has seen would hold.
#[tokio::test]
async fn a_transaction_that_read_before_others_wrote_is_told_to_begin_anew() {
    let mut world = world();
    world.connection.busy_timeout(Duration::ZERO).unwrap();
    let transaction = world.connection.transaction().unwrap();
    transaction
        .query_row("SELECT count(*) FROM tasks", (), |_| Ok(()))
        .unwrap();
    dispatch(&world.store, "1").await.unwrap();
    let request = one(execution("2"));
    let refused = world.store.dispatch_in(&transaction, &request).unwrap_err();
    assert!(
        matches!(&refused, DispatchInError::Store(error) if error.is_retryable()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn who_listens_hears_of_it_after_the_commit() {
    let mut world = world();
    let mut hints = world.store.hints();
    let transaction = immediate(&mut world.connection);
    let request = one(execution("1"));
    world.store.dispatch_in(&transaction, &request).unwrap();
    transaction.commit().unwrap();
    let hint = tokio::time::timeout(Duration::from_secs(30), hints.next());
    assert_eq!(hint.await.unwrap(), Some(Hint::Anything));
    assert_eq!(claim(&world.store, 1).await.unwrap().len(), 1);
}
