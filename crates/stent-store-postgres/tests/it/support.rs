//! What several tests need.

use std::time::Duration;

use futures_util::StreamExt;
use stent_core::{
    ExecutionId, Hint, Payload, State, Store, TaskId, Timestamp,
    store::{ExecutionQuery, ExecutionRecord, HintStream},
};
use stent_store_postgres::{OpenError, PostgresOptions, PostgresStore};
use stent_test_postgres::{Cluster, Database, Options};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// An empty database of the server that all tests share.
pub(crate) fn database() -> Database {
    stent_test_postgres::database().expect("a database for tests")
}

/// A server of one's own.
pub(crate) fn cluster(options: &Options) -> Cluster {
    Cluster::start(options).expect("a server for tests")
}

/// Options for a server of these tests, which waits for no disk.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions::from_url(url)
        .expect("a URL that the test made")
        .unsafe_durability(true)
        .listen(false)
}

pub(crate) async fn open(url: &str) -> PostgresStore {
    options(url).open().await.expect("it is to open")
}

/// An error's message with those of its causes, and its other form.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    format!("{} {error:?}", causes.join(": "))
}

/// Why a database is not opened.
pub(crate) async fn refusal(options: PostgresOptions) -> OpenError {
    options.open().await.expect_err("it is to be refused")
}

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A connection of somebody else's.
pub(crate) async fn client(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls)
        .await
        .expect("the server of the test");
    tokio::spawn(connection);
    client
}

/// An execution that there is.
pub(crate) async fn record(store: &PostgresStore, id: Uuid) -> ExecutionRecord {
    let query = ExecutionQuery {
        ids: Some(vec![ExecutionId::from_uuid(id)]),
        payloads: true,
        limit: 1,
        ..ExecutionQuery::default()
    };
    let mut page = store.executions(query).await.unwrap();
    page.executions.pop().expect("it is there")
}

/// All that can be seen of an execution, with instants as spans since it was made and nothing of its id.
pub(crate) async fn seen(store: &PostgresStore, id: Uuid) -> String {
    let ExecutionRecord {
        mut root,
        idempotency_key,
        tags,
    } = record(store, id).await;
    let nil = TaskId::from_uuid(Uuid::nil());
    assert_eq!(root.task.id, root.task.execution.root());
    (root.task.id, root.task.execution) = (nil, nil.as_root());
    let made = root.task.created_at;
    // The end of time is not so long after it was made, but an instant.
    let span = |at: Timestamp| match at {
        Timestamp::MAX => at,
        at => Timestamp::MIN.saturating_add(at.since(made)),
    };
    root.task.created_at = Timestamp::MIN;
    root.task.queued_at = span(root.task.queued_at);
    root.task.deadline = root.task.deadline.map(span);
    let State::Pending { run_at } = root.task.state else {
        panic!("it waits");
    };
    root.task.state = State::Pending {
        run_at: span(run_at),
    };
    let input = root.input.as_ref().map(Payload::as_str);
    format!("{input:?} {idempotency_key:?} {tags:?} {root:?}")
}

/// Waits until somebody waits for a lock.
pub(crate) async fn sees_one_waiting(watch: &Client) {
    let waiting = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let seen = async {
        while !watch
            .query_one(waiting, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, seen)
        .await
        .expect("somebody is to wait");
}

/// The next hint.
pub(crate) async fn next(hints: &mut HintStream) -> Hint {
    let hint = tokio::time::timeout(SOON, hints.next()).await;
    hint.expect("a hint in time").expect("the store lives")
}
