//! Rows with random values in them, by somebody who can write the tables: whatever is asked then has an answer, and the store goes on.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use stent_conformance::requests::{claim, claim_request, execution, one};
use stent_core::{
    ExecutionId, FunctionName, Ordinal, Payload, SignalId, SignalName, Store, StoreError, TaskId,
    signal::NewSignal,
    store::{CleanupRequest, ExecutionQuery, HistoryRequest, SignalRequest, TaskQuery},
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{client, database, open, whole};

/// A task in each state, with a child in each state, histories, signals, waits, tags and keys, in place of all that was there.
const FILL: &str = include_str!("spoiled.sql");

const TABLES: [&str; 10] = [
    "task_rows",
    "history",
    "lanes",
    "signals",
    "signal_waits",
    "tags",
    "idempotency_keys",
    "function_limits",
    "worker_reports",
    "cleanup_schedule",
];

/// One value in one row; numbers are taken modulo how many there are.
#[derive(Clone, Debug)]
struct Spoiling {
    table: usize,
    column: usize,
    row: usize,
    value: Option<String>,
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    let number = prop_oneof![
        -2..9_i64,
        any::<i64>(),
        any::<i32>().prop_map(i64::from),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(i64::from(i32::MAX)),
        Just(i64::from(u32::MAX)),
    ];
    let text = prop_oneof![
        "\\PC{0,20}",
        Just("x".repeat(300)),
        Just("a\n\u{1b}[2J".to_owned()),
        Just("{\"kind\":7}".to_owned()),
        Just("[".repeat(5_000)),
        Just("t".to_owned()),
        (0_u128..30).prop_map(|id| Uuid::from_u128(id).to_string()),
    ];
    let value = prop_oneof![
        1 => Just(None),
        4 => number.prop_map(|number| Some(number.to_string())),
        3 => text.prop_map(Some),
    ];
    // Tasks and histories have the most columns.
    let table = prop_oneof![1 => Just(0_usize), 1 => Just(1_usize), 2 => any::<usize>()];
    (table, any::<usize>(), any::<usize>(), value).prop_map(|(table, column, row, value)| {
        Spoiling {
            table,
            column,
            row,
            value,
        }
    })
}

impl Spoiling {
    /// Writes it, unless the table's types, keys or constraints forbid it.
    async fn write(&self, client: &Client) {
        let table = TABLES[self.table % TABLES.len()];
        let columns = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
            WHERE attrelid = ('stent.' || $1)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let columns = client.query(columns, &[&table]).await.unwrap();
        let column = &columns[self.column % columns.len()];
        let (name, kind): (&str, &str) = (column.get(0), column.get(1));
        let spoil = format!(
            "UPDATE stent.{table} SET {name} = $1::text::{kind}
             WHERE ctid = (SELECT ctid FROM stent.{table} OFFSET $2 % (SELECT count(*) FROM stent.{table}) LIMIT 1)"
        );
        let row = i64::try_from(self.row >> 1).unwrap();
        if let Err(refused) = client.execute(&spoil, &[&self.value, &row]).await {
            let class = refused.code().map(|code| code.code()[..2].to_owned());
            // A value that is none of the type, a constraint, an identity.
            let known = ["22", "23", "42"];
            assert!(known.contains(&class.unwrap().as_str()), "{refused:?}");
        }
    }
}

/// Every request that there is has an answer, and none is one that must not come.
async fn answers_everything(store: &dyn Store, ids: &[ExecutionId]) {
    let tasks: Vec<TaskId> = ids.iter().map(|id| id.root()).collect();
    let listed = |ids| ExecutionQuery {
        ids,
        payloads: true,
        ..ExecutionQuery::default()
    };
    is_list(store.executions(listed(None)).await);
    is_answer(store.executions(listed(Some(ids.to_vec()))).await);
    is_list(store.functions().await);
    is_list(store.queues().await);
    is_list(store.workers().await);
    let query = TaskQuery {
        payloads: true,
        ..TaskQuery::default()
    };
    is_list(store.tasks(query).await);
    for task in &tasks {
        let history = HistoryRequest {
            task: *task,
            after: Ordinal::NONE,
            whole: true,
        };
        is_answer(store.history(vec![history]).await);
    }
    is_answer(claim(store, 5).await);
    is_answer(store.signal(signals(ids)).await);
    is_answer(store.cancel(ids[..4].to_vec()).await);
    is_answer(store.replay_dead_letters(ids.to_vec()).await);
    is_answer(claim(store, 50).await);
    let clean_up = CleanupRequest {
        retention: Duration::ZERO,
        limit: 100,
        interval: None,
    };
    is_answer(store.clean_up(clean_up).await);
}

fn signals(ids: &[ExecutionId]) -> SignalRequest {
    let signals = (1_u128..).zip(ids).map(|(number, id)| NewSignal {
        id: SignalId::from_uuid(Uuid::from_u128(number << 64)),
        execution: *id,
        name: SignalName::new("go").unwrap(),
        payload: Payload::null(),
    });
    SignalRequest {
        signals: signals.collect(),
    }
}

/// What cannot be read is left out of a list.
fn is_list<T>(answer: Result<T, StoreError>) {
    if let Err(error) = answer {
        panic!("{error:?}");
    }
}

fn is_answer<T>(answer: Result<T, StoreError>) {
    let Err(error) = answer else { return };
    let said = whole(&error);
    let wrong = ["must not happen", "panicked", "OutcomeUnknown"];
    assert!(!wrong.iter().any(|word| said.contains(word)), "{said}");
}

async fn spoil_and_ask(url: &str, client: &Client, spoilings: &[Spoiling]) {
    client.batch_execute(FILL).await.unwrap();
    for spoiling in spoilings {
        spoiling.write(client).await;
    }
    // A new one each time: lanes are remembered, and were deleted.
    let store = open(url).await;
    let ids: Vec<_> = (1..=28)
        .map(|id| ExecutionId::from_uuid(Uuid::from_u128(id)))
        .collect();
    let asked = answers_everything(&store, &ids);
    tokio::time::timeout(crate::support::SOON, asked)
        .await
        .expect("each is answered soon");
    // Elsewhere all goes on.
    store.health().await.unwrap();
    let mut elsewhere = execution("1");
    elsewhere.root.function = FunctionName::new("elsewhere").unwrap();
    store.dispatch(one(elsewhere)).await.unwrap();
    let claimed = store.claim(claim_request("elsewhere", 5)).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
}

/// Databases that are tried where `PROPTEST_CASES` does not say otherwise.
const CASES: u32 = 25;

#[test]
fn whatever_a_row_holds_every_request_is_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let database = database();
    let client = runtime.block_on(async {
        drop(open(database.url()).await);
        client(&database).await
    });
    runtime.block_on(spoil_and_ask(database.url(), &client, &[]));
    // The call of a task whose lease has run out.
    let found_once = Spoiling {
        table: 1,
        column: 14_214_371_061_658_680_672,
        row: 12_448_694_658_726_365_808,
        value: None,
    };
    runtime.block_on(spoil_and_ask(database.url(), &client, &[found_once]));
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let spoilings = prop::collection::vec(spoiling(), 1..4);
    TestRunner::new(config)
        .run(&spoilings, |spoilings| {
            runtime.block_on(spoil_and_ask(database.url(), &client, &spoilings));
            Ok(())
        })
        .unwrap();
}
