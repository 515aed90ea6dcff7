//! Dispatching in a transaction of the caller's, from the call to the running body, on a SQLite file.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::{
    Error,
    prelude::*,
    rusqlite::{Connection, TransactionBehavior},
};

/// Orders that the body has found, committed, in the database of its caller.
#[durable]
async fn look_up(order: u32, #[state] looks: Arc<Looks>) -> stent::Result<u32> {
    looks.begun.fetch_add(1, Ordering::SeqCst);
    let connection = Connection::open(&looks.path).map_err(Error::other)?;
    let sql = "SELECT count(*) FROM orders WHERE id = ?1";
    let found = connection.query_row(sql, [order], |row| row.get(0));
    found.map_err(Error::other)
}

#[derive(Debug)]
struct Looks {
    path: String,
    begun: AtomicU32,
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_starts_after_the_commit_and_finds_its_callers_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let looks = Arc::new(Looks {
        path: path.display().to_string(),
        begun: AtomicU32::new(0),
    });
    let worker = Stent::open(url(&path)).await.unwrap().worker();
    let worker = worker
        .register(functions![look_up])
        .state(Arc::clone(&looks));
    let worker = worker.start().await.unwrap();
    let stent = Stent::open(url(&path)).await.unwrap();
    let mut connection = connect(&path);
    connection
        .execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)", ())
        .unwrap();

    let executions = {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let one = stent.dispatch_in(&transaction, look_up(1)).unwrap();
        let more = stent.dispatch_all_in(&transaction, (2..4).map(look_up));
        for order in 1..4 {
            transaction
                .execute("INSERT INTO orders VALUES (?1)", [order])
                .unwrap();
        }
        assert!(one.state().await.unwrap_err().is_not_found());
        assert_eq!(looks.begun.load(Ordering::SeqCst), 0);
        transaction.commit().unwrap();
        std::iter::once(one)
            .chain(more.unwrap())
            .collect::<Vec<_>>()
    };
    for execution in executions {
        assert_eq!(execution.result().await.unwrap(), 1);
    }

    let gone = {
        let transaction = connection.transaction().unwrap();
        let gone = stent.dispatch_in(&transaction, look_up(1)).unwrap();
        transaction.rollback().unwrap();
        gone
    };
    assert!(gone.result().await.unwrap_err().is_not_found());
    worker.drain().await.unwrap();
    assert_eq!(looks.begun.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_key_gives_the_handle_of_what_exists() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let stent = Stent::open(url(&path)).await.unwrap();
    let call = |order| look_up(order).idempotency_key("order-1");
    let first = stent.dispatch(call(1)).await.unwrap();
    let mut connection = connect(&path);
    let transaction = connection.transaction().unwrap();
    let again = stent.dispatch_in(&transaction, call(2)).unwrap();
    assert_eq!(again.id(), first.id());
    assert!(again.existing().unwrap().other_input);
}

#[tokio::test]
async fn what_is_wrong_with_the_call_or_the_database_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let stent = Stent::open(url(&path)).await.unwrap();
    let elsewhere = Stent::open(url(&folder.path().join("mail.db")))
        .await
        .unwrap();
    let another = Stent::new(Arc::new(stent_store_memory::MemoryStore::new()));
    let mut connection = connect(&path);
    let transaction = connection.transaction().unwrap();
    let refused = stent.dispatch_in(&transaction, look_up(1).queue(""));
    assert!(matches!(refused, Err(Error::Name(_))), "{refused:?}");
    for stent in [elsewhere, another] {
        let refused = stent.dispatch_in(&transaction, look_up(1)).unwrap_err();
        assert!(matches!(refused, Error::OtherDatabase { .. }), "{refused}");
    }
    transaction.commit().unwrap();
    assert!(
        stent
            .executions(Default::default())
            .await
            .unwrap()
            .executions
            .is_empty()
    );
}
