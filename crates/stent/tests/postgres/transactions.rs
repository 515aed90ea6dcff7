//! Work from the caller's own transactions, and from SQL: from the call to the running body.

use std::time::Duration;

use stent::{
    Error,
    prelude::*,
    store::{ExecutionId, QueueName},
    tokio_postgres::{Client, NoTls, connect},
};
use stent_test_postgres::Database;

use super::{Log, double, open, worker};

async fn client(database: &Database) -> Client {
    let (client, connection) = connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_dispatched_runs_after_its_commit_and_not_without() {
    let database = stent_test_postgres::database().unwrap();
    let worker = worker(&open(&database).await, &Log::default().into()).await;
    let stent = open(&database).await;
    let mut client = client(&database).await;

    let transaction = client.transaction().await.unwrap();
    let one = stent.dispatch_in(&transaction, double(1)).await.unwrap();
    let more = stent.dispatch_all_in(&transaction, (2..50).map(double));
    let more = more.await.unwrap();
    assert!(one.state().await.unwrap_err().is_not_found());
    transaction.commit().await.unwrap();
    assert_eq!(one.result().await.unwrap(), 2);
    for (n, execution) in (2..).zip(more) {
        assert_eq!(execution.result().await.unwrap(), 2 * n);
    }

    let transaction = client.transaction().await.unwrap();
    let gone = stent.dispatch_in(&transaction, double(1)).await.unwrap();
    transaction.rollback().await.unwrap();
    assert!(gone.result().await.unwrap_err().is_not_found());
    worker.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sql_dispatched_is_run_by_a_worker() {
    let database = stent_test_postgres::database().unwrap();
    let stent = open(&database).await;
    let worker = worker(&stent, &Log::default().into()).await;
    let client = client(&database).await;
    let sql = "SELECT stent.dispatch('double', '21', tags => '{from-sql}')";
    let id = client.query_one(sql, &[]).await.unwrap().get(0);
    let execution = stent.handle::<double>(ExecutionId::from_uuid(id));
    let result = tokio::time::timeout(Duration::from_secs(30), execution.result());
    assert_eq!(result.await.unwrap().unwrap(), 42);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_the_call_or_the_database_is_told() {
    let database = stent_test_postgres::database().unwrap();
    let stent = open(&database).await;
    let elsewhere = stent_test_postgres::database().unwrap();
    let elsewhere = open(&elsewhere).await;
    let another = Stent::new(std::sync::Arc::new(stent_store_memory::MemoryStore::new()));
    let mut client = client(&database).await;
    let transaction = client.transaction().await.unwrap();
    let refused = stent.dispatch_in(&transaction, double(1).queue("")).await;
    assert!(matches!(refused, Err(Error::Name(_))), "{refused:?}");
    for stent in [elsewhere, another] {
        let refused = stent.dispatch_in(&transaction, double(1)).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::OtherDatabase { .. }), "{refused}");
    }
    let keyed = || double(1).idempotency_key("k").queue("q");
    let first = stent.dispatch_in(&transaction, keyed()).await.unwrap();
    let again = stent.dispatch_in(&transaction, keyed()).await.unwrap();
    assert_eq!(first.id(), again.id());
    assert!(first.existing().is_none() && again.existing().is_some());
    transaction.commit().await.unwrap();
    let queues = stent.queues().await.unwrap();
    assert_eq!(queues[0].name, QueueName::new("q").unwrap());
}
