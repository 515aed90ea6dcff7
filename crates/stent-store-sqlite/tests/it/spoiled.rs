//! Rows with random values in them, by somebody who can write the file: whatever is asked then has an answer, and the store goes on.

use std::{error::Error, fs, path::Path};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rusqlite::{Connection, types::Value};
use stent_conformance::requests::{claim, claim_request, execution, one};
use stent_core::{
    ExecutionId, FunctionName, Ordinal, Payload, SignalId, SignalName, Store, StoreError, TaskId,
    signal::NewSignal,
    store::{CleanupRequest, ExecutionQuery, HistoryRequest, SignalRequest, TaskQuery},
};
use stent_store_sqlite::{SqliteOptions, Synchronous};
use uuid::Uuid;

/// A task in each state, with a child in each state, histories, signals, waits, tags and keys.
const FILL: &str = "
INSERT INTO lanes (queue, function, priority, holds_slot, suspect) VALUES ('default', 'f', 0, 0, 0), ('default', 'f', 0, 1, 0), ('default', 'f', 0, 0, 1);
INSERT INTO functions VALUES ('f', 3, 0, NULL), ('g', NULL, 0, 5);
INSERT INTO workers VALUES ('w', 4, 1, 0, 1, unixepoch() * 1000000);
WITH numbers (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < 27)
INSERT INTO tasks (seq, id, execution, parent, position, lane, holds_slot, state, due_at, lease_expires_at, holder, ended_at, token, mark, commits,
    failed_attempts, crashes, crashes_as_suspect, cancel_requested, operations, deliveries, timeout, deadline, queued_at, created_at, input, outcome)
SELECT i + 1, unhex(printf('%032x', i + 1)), CASE WHEN i >= 14 THEN unhex(printf('%032x', i - 13)) END,
    CASE WHEN i >= 14 THEN unhex(printf('%032x', i - 13)) END, CASE WHEN i >= 14 THEN 1 END,
    1 + (i % 7 = 1), i % 7 = 1, 1 + i % 7, CASE WHEN i % 7 IN (0, 2) THEN i END, CASE WHEN i % 7 = 1 THEN 1 END, CASE WHEN i % 7 = 1 THEN 'w' END,
    CASE WHEN i % 7 > 2 THEN i END, 1, 2, 1, 0, 0, 0, 0, 3, 2, NULL, CASE WHEN i % 2 = 0 THEN 9000000000000000 END, i, i, '17',
    CASE WHEN i % 7 = 3 THEN '18' WHEN i % 7 IN (4, 5) THEN '{\"kind\":\"error\",\"message\":\"m\"}' END
FROM numbers;
INSERT INTO history SELECT seq, 1, NULL, 1, 'f', 17, 0, unhex(printf('%032x', seq + 14)), NULL, 0, NULL, 1, 4, NULL FROM tasks;
INSERT INTO history SELECT seq, 2, 'k', 2, 's', NULL, 1, NULL, NULL, 0, NULL, 2, 4, '1' FROM tasks;
INSERT INTO history SELECT seq, 3, NULL, 5, 'go', NULL, 2, NULL, NULL, 0, NULL, NULL, NULL, NULL FROM tasks;
INSERT INTO signals (id, root, name, payload) SELECT id, seq, 'later', '1' FROM tasks WHERE parent IS NULL;
INSERT INTO signal_waits (root, name, task, position) SELECT seq, 'go', seq, 3 FROM tasks WHERE parent IS NULL AND state < 4;
INSERT INTO tags SELECT seq, 't' FROM tasks WHERE parent IS NULL;
INSERT INTO idempotency_keys SELECT seq, 'f', 'k' || seq FROM tasks WHERE parent IS NULL;
INSERT INTO cleanup_schedule VALUES (1, 5);
";

const TABLES: [&str; 10] = [
    "tasks",
    "history",
    "lanes",
    "signals",
    "signal_waits",
    "tags",
    "idempotency_keys",
    "functions",
    "workers",
    "cleanup_schedule",
];

/// One value in one row; numbers are taken modulo how many there are.
#[derive(Clone, Debug)]
struct Spoiling {
    table: usize,
    column: usize,
    row: usize,
    value: Value,
    /// Whether bytes are written as text, which may then be no UTF-8.
    as_text: bool,
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    let number = prop_oneof![
        -2..9_i64,
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(i64::from(u32::MAX)),
        Just(i64::from(u32::MAX) + 1),
    ];
    let text = prop_oneof![
        "\\PC{0,20}",
        Just("x".repeat(300)),
        Just("a\u{0}\u{1b}[2J".to_owned()),
        Just("{\"kind\":7}".to_owned()),
        Just("[".repeat(5_000)),
    ];
    let value = prop_oneof![
        1 => Just(Value::Null),
        3 => number.prop_map(Value::Integer),
        2 => text.prop_map(Value::Text),
        2 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ];
    // Tasks and histories have the most columns.
    let table = prop_oneof![1 => Just(0_usize), 1 => Just(1_usize), 2 => any::<usize>()];
    let place = (table, any::<usize>(), any::<usize>());
    (place, value, any::<bool>()).prop_map(|((table, column, row), value, as_text)| Spoiling {
        table,
        column,
        row,
        value,
        as_text,
    })
}

impl Spoiling {
    /// Writes it, unless the table's types, keys or constraints forbid it.
    fn write(&self, file: &Connection) {
        let table = TABLES[self.table % TABLES.len()];
        let columns = "SELECT name FROM pragma_table_info(?1)";
        let mut columns = file.prepare(columns).unwrap();
        let columns = columns.query_map([table], |row| row.get(0)).unwrap();
        let columns: Vec<String> = columns.map(Result::unwrap).collect();
        let column = &columns[self.column % columns.len()];
        // Lanes are numbered from 1 by the database, and read from there on.
        if (table, column.as_str()) == ("lanes", "id") {
            return;
        }
        let key = columns[..2].join(", ");
        let count = format!("SELECT count(*) FROM {table}");
        let count: u32 = file.query_row(&count, (), |row| row.get(0)).unwrap();
        let value = if self.as_text {
            "CAST(?1 AS TEXT)"
        } else {
            "?1"
        };
        let spoil = format!(
            "UPDATE OR IGNORE {table} SET {column} = {value} WHERE ({key}) IN (SELECT {key} FROM {table} LIMIT 1 OFFSET ?2)"
        );
        let row = i64::try_from(self.row % count as usize).unwrap();
        let written = file.execute(&spoil, (&self.value, row));
        if let Err(refused) = written {
            let said = refused.to_string();
            let known = ["cannot store", "datatype mismatch", "constraint failed"];
            assert!(known.iter().any(|word| said.contains(word)), "{said}");
        }
    }
}

/// Every request that there is has an answer, which no thread of the store's died of.
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
    is_list(store.tasks(TaskQuery::default()).await);
    for task in &tasks {
        let query = TaskQuery {
            ids: Some(vec![*task]),
            payloads: true,
            ..TaskQuery::default()
        };
        is_answer(store.tasks(query).await);
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
        retention: std::time::Duration::ZERO,
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
    let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
    let said: Vec<_> = causes.map(ToString::to_string).collect();
    let said = said.join(": ");
    assert!(!said.contains("thread"), "{said}");
    assert!(!said.contains("must not happen"), "{said}");
}

async fn spoil_and_ask(template: &Path, spoilings: &[Spoiling]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stent.db");
    fs::copy(template, &path).unwrap();
    let file = Connection::open(&path).unwrap();
    for spoiling in spoilings {
        spoiling.write(&file);
    }
    drop(file);
    let options = SqliteOptions::new(&path).synchronous(Synchronous::Normal);
    let store = options.open().unwrap();
    let ids: Vec<_> = (1..=28)
        .map(|id| ExecutionId::from_uuid(Uuid::from_u128(id)))
        .collect();
    answers_everything(&store, &ids).await;
    // Elsewhere all goes on.
    store.health().await.unwrap();
    let mut elsewhere = execution("1");
    elsewhere.root.function = FunctionName::new("elsewhere").unwrap();
    store.dispatch(one(elsewhere)).await.unwrap();
    let claimed = store.claim(claim_request("elsewhere", 5)).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
}

/// Files that are tried where `PROPTEST_CASES` does not say otherwise.
const CASES: u32 = 120;

#[test]
fn whatever_a_row_holds_every_request_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.db");
    drop(SqliteOptions::new(&template).open().unwrap());
    let file = Connection::open(&template).unwrap();
    file.execute_batch(FILL).unwrap();
    drop(file);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(spoil_and_ask(&template, &[]));
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
            runtime.block_on(spoil_and_ask(&template, &spoilings));
            Ok(())
        })
        .unwrap();
}
