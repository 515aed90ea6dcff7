//! `stent.dispatch` under random values: each call writes what the store's own dispatch would have written, or is refused and writes nothing.

use std::{collections::BTreeSet, time::Duration};

use proptest::{
    option,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use stent_core::{
    FunctionName, IdempotencyKey, NewExecution, NewTask, Payload, Priority, QueueName, State,
    Store as _, Tag, Timestamp, When, defaults,
    store::{ExecutionRecord, TaskRecord},
};
use stent_store_postgres::PostgresStore;
use stent_test_postgres::Database;
use tokio_postgres::{Client, error::SqlState};
use uuid::Uuid;

use crate::support::{client, database, open, record};
use stent_conformance::requests::{new_id, one};

/// The options of a call, as SQL is given them. Spans and instants are microseconds.
#[derive(Clone, Debug)]
struct Wanted {
    function: String,
    input: String,
    queue: Option<String>,
    priority: Option<i64>,
    run_at: Option<i64>,
    delay: Option<i64>,
    timeout: Option<i64>,
    deadline: Option<i64>,
    key: Option<String>,
    tags: Option<Vec<Option<String>>>,
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z]{1,8}(@[0-9])?",
        1 => Just(String::new()),
        1 => "\\PC{1,40}",
        1 => ".{0,10}",
        1 => (250_usize..260).prop_map(|bytes| "n".repeat(bytes)),
        1 => (125_usize..130).prop_map(|letters| "é".repeat(letters)),
        1 => Just("'; drop table x; --".to_owned()),
        1 => prop::char::range('\u{0}', '\u{a0}').prop_map(|character| format!("a{character}b")),
    ]
}

/// A document, or nearly one.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        (0_u32..400, 0_u32..400)
            .prop_map(|(digits, power)| format!("1{:0>1$}e{power}", 0, digits as usize)),
        "\"\\PC{0,12}\"",
        "\"(\\\\u[0-9a-fA-F]{4}|\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\\\\\|[a-z]){0,5}\"",
    ];
    let document = leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(|entries| {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| format!("\"{key}\" :{value}"))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    });
    let nested = (120_usize..135, document.clone())
        .prop_map(|(depth, inner)| format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth)));
    // One character taken out or doubled.
    let broken = (
        document.clone(),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(text, at, is_doubled)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            let taken = characters.remove(at);
            if is_doubled {
                characters.splice(at..at, [taken, taken]);
            }
            characters.into_iter().collect::<String>()
        });
    prop_oneof![6 => document, 1 => nested, 2 => broken, 1 => "\\PC{0,20}"]
}

/// Microseconds that a float still counts one by one, as PostgreSQL multiplies intervals.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..10_000_000_000_i64,
        1 => -3..3_i64,
        1 => -1_000_000_000_000_i64..1_000_000_000_000_000,
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let instant = || option::weighted(0.3, (-10_i64..4_000_000_000).prop_map(|at| at * ROUND));
    let span = || option::weighted(0.3, micros());
    let priority =
        prop_oneof![4 => -9..9_i64, 1 => any::<i64>(), 1 => any::<i32>().prop_map(i64::from)];
    let tags = prop::collection::vec(option::weighted(0.97, name()), 0..5);
    let many = (30_usize..36).prop_map(|count| (0..count).map(|n| Some(n.to_string())).collect());
    (
        (name(), json(), option::weighted(0.4, name())),
        option::weighted(0.4, priority),
        (instant(), span(), span(), instant()),
        option::weighted(0.3, name()),
        option::weighted(0.4, prop_oneof![5 => tags, 1 => many]),
    )
        .prop_map(
            |(
                (function, input, queue),
                priority,
                (run_at, delay, timeout, deadline),
                key,
                tags,
            )| Wanted {
                function,
                input,
                queue,
                priority,
                run_at,
                delay,
                timeout,
                deadline,
                key,
                tags,
            },
        )
}

impl Wanted {
    /// What a program in Rust would dispatch, if it could.
    fn execution(&self) -> Option<NewExecution> {
        let span = |micros: i64| u64::try_from(micros).ok().map(Duration::from_micros);
        let at = |micros: i64| When::At(Timestamp::from_micros(micros));
        let due = match (self.run_at, self.delay) {
            (Some(_), Some(_)) => return None,
            (Some(run_at), None) => at(run_at),
            (None, Some(delay)) => When::After(span(delay)?),
            (None, None) => When::Now,
        };
        let timeout = match self.timeout.map(span) {
            None => None,
            Some(Some(span)) if !span.is_zero() => Some(span),
            Some(_) => return None,
        };
        let tags: BTreeSet<Option<&String>> =
            self.tags.iter().flatten().map(Option::as_ref).collect();
        if tags.len() > defaults::TAGS_MAX {
            return None;
        }
        let tags = tags.into_iter().map(|tag| Tag::new(tag?).ok());
        Some(NewExecution {
            root: NewTask {
                id: new_id(),
                function: FunctionName::new(&self.function).ok()?,
                queue: self.queue.as_ref().map_or_else(
                    || Some(QueueName::default()),
                    |name| QueueName::new(name).ok(),
                )?,
                priority: Priority(i32::try_from(self.priority.unwrap_or(0)).ok()?),
                due,
                input: Payload::parse(self.input.as_str(), defaults::PAYLOAD_MAX_BYTES).ok()?,
                timeout,
                deadline: self.deadline.map(at),
            },
            idempotency_key: match &self.key {
                Some(key) => Some(IdempotencyKey::new(key).ok()?),
                None => None,
            },
            tags: tags.collect::<Option<_>>()?,
        })
    }

    async fn by_sql(&self, client: &Client) -> Result<Uuid, tokio_postgres::Error> {
        let sql = "SELECT stent.dispatch($1, $2::text, queue => $3, priority => $4,
                run_at => '1970-01-01 00:00:00+00'::timestamptz + $5::bigint * interval '1 microsecond',
                delay => $6::bigint * interval '1 microsecond', timeout => $7::bigint * interval '1 microsecond',
                deadline => '1970-01-01 00:00:00+00'::timestamptz + $8::bigint * interval '1 microsecond',
                idempotency_key => $9, tags => $10)";
        let row = client
            .query_one(
                sql,
                &[
                    &self.function,
                    &self.input,
                    &self.queue,
                    &self.priority,
                    &self.run_at,
                    &self.delay,
                    &self.timeout,
                    &self.deadline,
                    &self.key,
                    &self.tags,
                ],
            )
            .await?;
        Ok(row.get(0))
    }
}

/// What is kept of an execution that waits, but for its id and for when it was made: what is due by a span from then is told as that span.
async fn kept(store: &PostgresStore, id: Uuid) -> String {
    let ExecutionRecord {
        root: TaskRecord { task, input, .. },
        idempotency_key,
        tags,
    } = record(store, id).await;
    let State::Pending { run_at } = task.state else {
        panic!("it waits");
    };
    assert_eq!(task.queued_at, run_at);
    // Those that are given are rounder than any span from the present leads to.
    let due = if run_at.as_micros() % ROUND == 0 {
        (Some(run_at), None)
    } else {
        (None, Some(run_at.since(task.created_at)))
    };
    let input = input.as_ref().map(Payload::as_str);
    let names = (task.function, task.queue, task.priority);
    let times = (due, task.timeout, task.deadline);
    format!("{names:?} {input:?} {times:?} {idempotency_key:?} {tags:?}")
}

/// Instants are multiples of it: which spans from the present lead to one in a million times.
const ROUND: i64 = 1_000_000;

/// Two installations, of which one is given everything by SQL and the other by its store.
struct Pair {
    by_sql: (Database, PostgresStore, Client),
    by_store: (Database, PostgresStore),
}

impl Pair {
    async fn new() -> Self {
        let sql = database();
        let (store, client) = (open(sql.url()).await, client(&sql).await);
        let other = database();
        let by_store = open(other.url()).await;
        Self {
            by_sql: (sql, store, client),
            by_store: (other, by_store),
        }
    }

    /// How many rows there are.
    async fn rows(&self) -> i64 {
        let count =
            "SELECT (SELECT count(*) FROM stent.task_rows) + (SELECT count(*) FROM stent.tags)
            + (SELECT count(*) FROM stent.idempotency_keys) + (SELECT count(*) FROM stent.lanes)";
        self.by_sql.2.query_one(count, &[]).await.unwrap().get(0)
    }

    async fn agree_on(&self, wanted: &Wanted) {
        let (_, store, client) = &self.by_sql;
        let before = self.rows().await;
        match (wanted.execution(), wanted.by_sql(client).await) {
            (Some(execution), Ok(by_sql)) => {
                let made = self.by_store.1.dispatch(one(execution)).await.unwrap();
                let by_store = *made.executions[0].execution().as_uuid();
                assert_eq!(
                    kept(store, by_sql).await,
                    kept(&self.by_store.1, by_store).await
                );
            }
            (None, Err(refused)) => {
                let code = refused.code().expect("an answer of the server");
                let known = [
                    SqlState::INVALID_PARAMETER_VALUE,
                    SqlState::INVALID_TEXT_REPRESENTATION,
                    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    // A text with a NUL is none, and this escape stands for one.
                    SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                ];
                assert!(known.contains(code), "{refused:?}");
                assert_eq!(self.rows().await, before, "nothing is written");
            }
            (by_rust, by_sql) => panic!(
                "Rust {} it, SQL says {by_sql:?}",
                if by_rust.is_some() {
                    "takes"
                } else {
                    "refuses"
                }
            ),
        }
    }
}

/// Calls that are tried where `PROPTEST_CASES` does not say otherwise.
const CASES: u32 = 150;

#[test]
fn whatever_sql_dispatches_the_store_would_have_dispatched() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pair = runtime.block_on(Pair::new());
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    TestRunner::new(config)
        .run(&wanted(), |wanted| {
            runtime.block_on(pair.agree_on(&wanted));
            Ok(())
        })
        .unwrap();
}
