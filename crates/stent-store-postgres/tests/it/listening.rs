//! Hints between processes: two stores on one schema are as two processes.

use std::time::Duration;

use futures_util::StreamExt;
use stent_core::{
    FunctionName, Hint, NewExecution, NewTask, Payload, Priority, QueueName, Store, TaskId, When,
    store::{DispatchRequest, HintStream},
};
use stent_store_postgres::{PostgresOptions, PostgresStore};
use stent_test_postgres::Database;
use uuid::Uuid;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

async fn store(database: &Database, schema: &str) -> PostgresStore {
    let options = PostgresOptions::from_url(database.url()).unwrap();
    let options = options.schema(schema).unwrap().unsafe_durability(true);
    options.open().await.unwrap()
}

async fn next(hints: &mut HintStream) -> Hint {
    let hint = tokio::time::timeout(PATIENCE, hints.next()).await;
    hint.expect("a hint in time").expect("the store lives")
}

/// Waits until a store listens: what it missed before is not told, so it looks at everything then.
async fn listening(store: &PostgresStore) -> HintStream {
    let mut hints = store.hints();
    assert_eq!(next(&mut hints).await, Hint::Anything);
    hints
}

/// Dispatches again and again until it is heard: a hint may be lost, and nobody tells anything while nobody is known to listen.
async fn is_heard(from: &PostgresStore, hints: &mut HintStream, queue: &str) -> Hint {
    let every = Duration::from_millis(300);
    let heard = async {
        let mut number = 0;
        loop {
            number += 1;
            dispatch(from, queue, number).await;
            let until = tokio::time::Instant::now() + every;
            while let Ok(hint) = tokio::time::timeout_at(until, next(hints)).await {
                if hint != Hint::Anything {
                    return hint;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("heard in time")
}

async fn dispatch(store: &PostgresStore, queue: &str, number: u128) {
    let root = NewTask {
        id: TaskId::from_uuid(Uuid::from_u128(
            number + (u128::from(queue.len() as u64) << 64),
        )),
        function: FunctionName::new("charge").unwrap(),
        queue: QueueName::new(queue).unwrap(),
        priority: Priority(0),
        due: When::Now,
        input: Payload::null(),
        timeout: None,
        deadline: None,
    };
    let execution = NewExecution {
        root,
        idempotency_key: None,
        tags: Vec::new(),
    };
    let request = DispatchRequest {
        executions: vec![execution],
    };
    store.dispatch(request).await.unwrap();
}

fn is_of(hint: &Hint, name: &str) -> bool {
    matches!(hint, Hint::Due { queue, .. } if queue.as_str() == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_in_one_process_is_heard_in_another() {
    let database = crate::support::database();
    let (here, there) = (
        store(&database, "stent").await,
        store(&database, "stent").await,
    );
    let mut hints = listening(&there).await;
    let hint = is_heard(&here, &mut hints, "mail").await;
    assert!(is_of(&hint, "mail"), "{hint:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_listens_hears_of_others_too() {
    let database = crate::support::database();
    let (here, there) = (
        store(&database, "stent").await,
        store(&database, "stent").await,
    );
    let (mut to_here, mut to_there) = (listening(&here).await, listening(&there).await);
    assert!(is_of(&is_heard(&here, &mut to_there, "east").await, "east"));
    // What it said itself it heard within the process.
    let mut own = next(&mut to_here).await;
    while own == Hint::Anything {
        own = next(&mut to_here).await;
    }
    assert!(is_of(&own, "east"));
    let mut hint = is_heard(&there, &mut to_here, "northwest").await;
    while is_of(&hint, "east") {
        hint = next(&mut to_here).await;
    }
    assert!(is_of(&hint, "northwest"), "{hint:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_was_cut_off_hears_again() {
    let database = crate::support::database();
    let (here, there) = (
        store(&database, "stent").await,
        store(&database, "stent").await,
    );
    let mut hints = listening(&there).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%listeners%' AND pid <> pg_backend_pid()";
    assert_eq!(database.sql(cut).unwrap(), "1");
    // Cut off, and back again.
    assert_eq!(next(&mut hints).await, Hint::Anything);
    assert_eq!(next(&mut hints).await, Hint::Anything);
    let hint = is_heard(&here, &mut hints, "mail").await;
    assert!(is_of(&hint, "mail"), "{hint:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn installations_in_one_database_hear_nothing_of_each_other() {
    let database = crate::support::database();
    let (mine, theirs) = (
        store(&database, "mine").await,
        store(&database, "theirs").await,
    );
    let peer = store(&database, "theirs").await;
    let mut hints = listening(&theirs).await;
    let _listening = listening(&store(&database, "mine").await).await;
    dispatch(&mine, "mine", 1).await;
    let hint = is_heard(&peer, &mut hints, "theirs").await;
    assert!(is_of(&hint, "theirs"), "{hint:?}");
}
