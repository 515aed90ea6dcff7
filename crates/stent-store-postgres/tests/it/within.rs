//! Dispatching in a transaction of the caller's, on a connection of the caller's.

use std::time::Duration;

use stent_core::{
    Clock, ExecutionId, IdempotencyKey, NewExecution, Priority, QueueName, Store, StoreError, Tag,
    Timestamp, When, defaults,
    store::{DispatchRequest, Dispatched},
};
use stent_store_postgres::{DispatchInError, PostgresStore};
use stent_test_postgres::Database;
use tokio_postgres::Client;

use crate::support::{client, database, next, open, options, seen};
use stent_conformance::requests::{claim, dispatch, execution, executions, one};

async fn world() -> (Database, PostgresStore, Client) {
    let database = database();
    let store = open(database.url()).await;
    let client = client(&database).await;
    (database, store, client)
}

/// One of each kind of request.
fn some_of_all() -> Vec<NewExecution> {
    let mut all: Vec<NewExecution> = (0..5).map(|_| execution(r#"{"id": 17}"#)).collect();
    all[1].root.queue = QueueName::new("mail").unwrap();
    all[1].root.priority = Priority(-7);
    all[1].tags = ["vip", "new"].map(|tag| Tag::new(tag).unwrap()).to_vec();
    all[2].root.due = When::After(Duration::from_secs(60));
    all[2].root.deadline = Some(When::After(Duration::MAX));
    all[2].tags = vec![Tag::new("old").unwrap()];
    all[3].root.due = When::At(Timestamp::from_micros(1));
    all[3].root.timeout = Some(Duration::from_nanos(1));
    all[4].root.due = When::After(Duration::MAX);
    all[4].root.deadline = Some(When::Now);
    all
}

#[tokio::test]
async fn what_is_dispatched_in_a_transaction_is_what_the_store_dispatches() {
    let (_database, store, mut client) = world().await;
    let executions = some_of_all();
    let by_store = store
        .dispatch(DispatchRequest { executions })
        .await
        .unwrap();
    let executions = some_of_all();
    let ids: Vec<_> = executions.iter().map(|one| one.root.id.as_root()).collect();
    let transaction = client.transaction().await.unwrap();
    let request = DispatchRequest { executions };
    let answer = store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    let created: Vec<_> = ids.into_iter().map(Dispatched::Created).collect();
    assert_eq!(answer.executions, created);
    for (one, other) in by_store.executions.iter().zip(&created) {
        let (one, other) = (one.execution(), other.execution());
        assert_eq!(
            seen(&store, *one.as_uuid()).await,
            seen(&store, *other.as_uuid()).await
        );
    }
}

#[tokio::test]
async fn an_execution_is_there_with_the_callers_own_rows_or_not_at_all() {
    let (_database, store, mut client) = world().await;
    client
        .batch_execute("CREATE TABLE orders (id integer)")
        .await
        .unwrap();
    for is_committed in [false, true] {
        let transaction = client.transaction().await.unwrap();
        transaction
            .execute("INSERT INTO orders VALUES (17)", &[])
            .await
            .unwrap();
        let request = one(execution("1"));
        let answer = store.dispatch_in(&transaction, &request).await.unwrap();
        assert!(matches!(answer.executions[..], [Dispatched::Created(_)]));
        assert!(executions(&store).await.is_empty());
        assert!(claim(&store, 1).await.unwrap().is_empty());
        if is_committed {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let orders = client.query("SELECT FROM orders", &[]).await.unwrap().len();
        assert_eq!(orders, usize::from(is_committed));
        assert_eq!(executions(&store).await.len(), orders);
    }
    assert_eq!(claim(&store, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_or_an_id_that_is_in_use_names_what_exists() {
    let (_database, store, mut client) = world().await;
    let keyed = |input: &str, key: &str| {
        let mut execution = execution(input);
        execution.idempotency_key = Some(IdempotencyKey::new(key).unwrap());
        execution
    };
    let known = store.dispatch(one(keyed("1", "known"))).await.unwrap();
    let known = known.executions[0].execution();
    let bare = execution("1");
    let executions = vec![
        keyed("1", "known"),
        keyed("2", "known"),
        keyed("1", "new"),
        keyed("2", "new"),
        bare.clone(),
        bare,
    ];
    let ids: Vec<ExecutionId> = executions.iter().map(|one| one.root.id.as_root()).collect();
    let transaction = client.transaction().await.unwrap();
    let request = DispatchRequest { executions };
    let answer = store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    let existing = |execution, other_input| Dispatched::Existing {
        execution,
        other_input,
    };
    assert_eq!(
        answer.executions,
        [
            existing(known, false),
            existing(known, true),
            Dispatched::Created(ids[2]),
            existing(ids[2], true),
            Dispatched::Created(ids[4]),
            existing(ids[4], false),
        ]
    );
}

#[tokio::test]
async fn a_transaction_of_another_installation_is_refused() {
    let (_database, store, _) = world().await;
    let (elsewhere, other_store, mut client) = world().await;
    let request = one(execution("1"));
    let transaction = client.transaction().await.unwrap();
    let refused = store.dispatch_in(&transaction, &request).await.unwrap_err();
    assert!(
        matches!(&refused, DispatchInError::OtherDatabase { schema } if schema == "stent"),
        "{refused:?}"
    );
    transaction.commit().await.unwrap();
    assert!(executions(&store).await.is_empty() && executions(&other_store).await.is_empty());

    drop(other_store);
    elsewhere
        .sql("SET client_min_messages = warning; DROP SCHEMA stent CASCADE")
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    let refused = store.dispatch_in(&transaction, &request).await.unwrap_err();
    assert!(
        matches!(refused, DispatchInError::OtherDatabase { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn another_schema_of_the_database_is_reached_by_its_own_store() {
    let (database, store, mut client) = world().await;
    let other = options(database.url()).schema("other");
    let other = other.unwrap().open().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("1"));
    other.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(executions(&store).await.is_empty());
    assert_eq!(executions(&other).await.len(), 1);
}

#[tokio::test]
async fn nothing_of_the_callers_transaction_is_changed_beside_it() {
    let (_database, store, mut client) = world().await;
    let settings = "SELECT string_agg(name || setting, ',' ORDER BY name) FROM pg_settings
        WHERE name NOT LIKE 'plpgsql.%'";
    let transaction = client.transaction().await.unwrap();
    let before: String = transaction.query_one(settings, &[]).await.unwrap().get(0);
    let request = one(execution("1"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    let after: String = transaction.query_one(settings, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_and_the_transaction_goes_on() {
    let (_database, store, mut client) = world().await;
    let transaction = client.transaction().await.unwrap();
    let executions = vec![execution("1"); defaults::BATCH_MAX + 1];
    let request = DispatchRequest { executions };
    let refused = store.dispatch_in(&transaction, &request).await.unwrap_err();
    assert!(
        matches!(refused, DispatchInError::Store(StoreError::Refused { .. })),
        "{refused:?}"
    );
    let none = DispatchRequest::default();
    let answer = store.dispatch_in(&transaction, &none).await.unwrap();
    assert!(answer.executions.is_empty());
    transaction.commit().await.unwrap();
}

/// A new queue of a transaction that takes long keeps nobody else from using that queue.
#[tokio::test]
async fn a_lane_that_is_new_is_there_before_the_callers_transaction_ends() {
    let (_database, store, mut client) = world().await;
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("1"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    let execution = dispatch(&store, "2").await.unwrap();
    assert_eq!(executions(&store).await, [execution]);
    transaction.rollback().await.unwrap();
}

/// The caller's own transaction has made a lane by SQL that the store is to make on another connection.
#[tokio::test]
async fn a_lane_that_the_caller_holds_is_not_waited_for() {
    let (_database, store, mut client) = world().await;
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("SELECT stent.dispatch('f', '1')", &[])
        .await
        .unwrap();
    let request = one(execution("2"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(claim(&store, 10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_hear_of_it_with_the_commit() {
    let database = database();
    let store = options(database.url()).listen(true).open().await.unwrap();
    let mut hints = store.hints();
    assert_eq!(next(&mut hints).await, stent_core::Hint::Anything);
    let mut client = client(&database).await;
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("1"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    let hint = next(&mut hints).await;
    let queue = QueueName::default();
    assert!(
        matches!(&hint, stent_core::Hint::Due { queue: of, .. } if *of == queue),
        "{hint:?}"
    );
}

#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[tokio::test]
async fn the_stores_clock_decides() {
    let database = database();
    let now = Timestamp::from_micros(1_234_567);
    let opened = options(database.url()).clock(std::sync::Arc::new(Stopped(now)));
    let store = opened.open().await.unwrap();
    let mut client = client(&database).await;
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("1"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    let claimed = claim(&store, 1).await.unwrap();
    assert_eq!(claimed[0].task.created_at, now);
}

#[tokio::test]
async fn a_transaction_of_deadpool_is_taken_too() {
    let (database, store, _) = world().await;
    let config = database.url().parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let request = one(execution("1"));
    store.dispatch_in(&transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(executions(&store).await.len(), 1);
}
