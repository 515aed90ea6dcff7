//! Dispatching by SQL: the same rows as by the store, the same rules, in anybody's transaction.

use std::time::Duration;

use futures_util::StreamExt;
use stent_core::{
    Hint, IdempotencyKey, NewExecution, Payload, Priority, QueueName, State, Store, Tag, Timestamp,
    When, defaults, store::Dispatched,
};
use stent_store_postgres::PostgresStore;
use stent_test_postgres::Database;
use tokio_postgres::{Client, NoTls, error::SqlState};
use uuid::Uuid;

use crate::support::{client, database, next, open, options, record, seen, sees_one_waiting};
use stent_conformance::requests::{claim, dispatch, execution, executions, one};

async fn world() -> (Database, PostgresStore, Client) {
    let database = database();
    let store = open(database.url()).await;
    let client = client(&database).await;
    (database, store, client)
}

async fn call(client: &Client, arguments: &str) -> Result<Uuid, tokio_postgres::Error> {
    let sql = format!("SELECT stent.dispatch({arguments})");
    Ok(client.query_one(&sql, &[]).await?.get(0))
}

/// What the server says of a call that it refuses.
async fn refusal(client: &Client, arguments: &str) -> (SqlState, String) {
    let error = call(client, arguments)
        .await
        .expect_err("it is to be refused");
    let said = error.as_db_error().expect("an answer of the server");
    let text = format!(
        "{}: {} {}",
        said.message(),
        said.detail().unwrap_or_default(),
        said.hint().unwrap_or_default()
    );
    (said.code().clone(), text)
}

fn with(change: impl FnOnce(&mut NewExecution)) -> NewExecution {
    let mut execution = execution(r#"{"id": 17}"#);
    change(&mut execution);
    execution
}

#[tokio::test]
async fn what_sql_dispatches_is_what_the_store_dispatches() {
    let (_database, store, client) = world().await;
    let bare = r#"'f', '{"id": 17}'"#;
    for (arguments, execution) in [
        (String::new(), with(|_| ())),
        (
            ", queue => 'mail', priority => -7".to_owned(),
            with(|one| {
                one.root.queue = QueueName::new("mail").unwrap();
                one.root.priority = Priority(-7);
            }),
        ),
        (
            ", delay => '1 hour 500 ms'".to_owned(),
            with(|one| one.root.due = When::After(Duration::from_millis(3_600_500))),
        ),
        (
            ", run_at => 'yesterday', timeout => '1.5 s'".to_owned(),
            with(|one| {
                one.root.due = When::At(Timestamp::from_micros(1));
                one.root.timeout = Some(Duration::from_millis(1_500));
            }),
        ),
        (
            ", idempotency_key => 'order-17', tags => '{vip, new, vip}'".to_owned(),
            with(|one| {
                one.idempotency_key = Some(IdempotencyKey::new("order-18").unwrap());
                one.tags = ["vip", "new"].map(|tag| Tag::new(tag).unwrap()).to_vec();
            }),
        ),
    ] {
        let by_store = store.dispatch(one(execution)).await.unwrap().executions[0];
        let by_sql = call(&client, &format!("{bare}{arguments}")).await.unwrap();
        let by_store = seen(&store, *by_store.execution().as_uuid()).await;
        let by_sql = seen(&store, by_sql).await;
        assert_eq!(
            by_sql.replace("order-17", "order-18"),
            by_store,
            "{arguments}"
        );
    }
    assert_eq!(claim(&store, 100).await.unwrap().len(), 8);
}

#[tokio::test]
async fn instants_are_those_that_were_given() {
    let (_database, store, client) = world().await;
    let id = call(
        &client,
        "'f', run_at => '2100-01-02 03:04:05.678901+00', deadline => '2100-01-03 00:00:00+00'",
    )
    .await
    .unwrap();
    let task = record(&store, id).await.root.task;
    let run_at = Timestamp::from_micros(4_102_542_245_678_901);
    assert_eq!(task.state, State::Pending { run_at });
    assert_eq!(
        task.deadline,
        Some(Timestamp::from_micros(4_102_617_600_000_000))
    );
    for (at, clamped) in [
        ("infinity", Timestamp::MAX),
        ("-infinity", Timestamp::MIN),
        ("0044-03-15 BC", Timestamp::MIN),
    ] {
        let id = call(&client, &format!("'f', deadline => '{at}'"))
            .await
            .unwrap();
        let task = record(&store, id).await.root.task;
        assert_eq!(task.deadline, Some(clamped), "{at}");
    }
    let id = call(
        &client,
        "'f', delay => '170000 years', timeout => '170000 years'",
    )
    .await
    .unwrap();
    let task = record(&store, id).await.root.task;
    assert_eq!(task.queued_at, Timestamp::MAX);
    assert_eq!(
        task.timeout,
        Some(Timestamp::MAX.since(Timestamp::MIN)),
        "a span ends with the year 9999"
    );
}

#[tokio::test]
async fn an_id_is_a_version_7_uuid_of_the_databases_time() {
    let (_database, store, client) = world().await;
    let ids = client
        .query(
            "SELECT stent.dispatch('f') FROM generate_series(1, 1000)",
            &[],
        )
        .await
        .unwrap();
    let ids: std::collections::BTreeSet<Uuid> = ids.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids.len(), 1_000);
    for id in &ids {
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }
    let id = *ids.first().unwrap();
    let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
    let millis = u128::from(seconds) * 1_000 + u128::from(nanos) / 1_000_000;
    let made = record(&store, id).await.root.task.created_at;
    assert_eq!(millis, u128::from(made.as_unix_millis()));
}

#[tokio::test]
async fn an_input_is_kept_as_it_was_written() {
    let (_database, store, client) = world().await;
    for (argument, kept) in [
        ("", "null"),
        (", NULL", "null"),
        (r#", '{"a" :1,"a":2}'"#, r#"{"a" :1,"a":2}"#),
        (r#", '{"a" :1}'::json"#, r#"{"a" :1}"#),
        (r#", '{"a" :1}'::jsonb"#, r#"{"a": 1}"#),
        (r#", '"\u0000"'"#, r#""\u0000""#),
        (r#", to_jsonb('it''s "$1"'::text)"#, r#""it's \"$1\"""#),
        (", jsonb_build_array(1, NULL, 'ü')", r#"[1, null, "ü"]"#),
    ] {
        let id = call(&client, &format!("'f'{argument}")).await.unwrap();
        let input = record(&store, id).await.root.input.unwrap();
        assert_eq!(input.as_str(), kept, "{argument}");
    }
}

#[tokio::test]
async fn a_key_makes_one_execution_as_it_does_in_rust() {
    let (_database, store, client) = world().await;
    let first = call(&client, "'f', '1', idempotency_key => 'k'")
        .await
        .unwrap();
    let again = call(
        &client,
        "'f', '1', idempotency_key => 'k', queue => 'other'",
    )
    .await;
    assert_eq!(again.unwrap(), first);
    // Other arguments are no error, here as there: the execution that exists is named, and the difference is told.
    let other = call(&client, "'f', '2', idempotency_key => 'k'").await;
    assert_eq!(other.unwrap(), first);
    let keyed = |input: &str| {
        let mut execution = execution(input);
        execution.idempotency_key = Some(IdempotencyKey::new("k").unwrap());
        one(execution)
    };
    for (input, other_input) in [("1", false), ("2", true)] {
        let answer = store.dispatch(keyed(input)).await.unwrap();
        let existing = Dispatched::Existing {
            execution: stent_core::ExecutionId::from_uuid(first),
            other_input,
        };
        assert_eq!(answer.executions, [existing]);
    }
    // Keys are those of a function.
    assert_ne!(
        call(&client, "'g', '1', idempotency_key => 'k'")
            .await
            .unwrap(),
        first
    );
    assert_eq!(executions(&store).await.len(), 2);
}

#[tokio::test]
async fn other_arguments_under_a_key_are_warned_of() {
    let (database, _store, client) = world().await;
    let id = call(&client, "'f', '1', idempotency_key => 'k'")
        .await
        .unwrap();
    let warned = database
        .sql(
            "CREATE TABLE said (text text);
             SELECT stent.dispatch('f', '2', idempotency_key => 'k')",
        )
        .unwrap();
    assert_eq!(warned, id.to_string());
    let (quiet, mut connection) = tokio_postgres::connect(database.url(), NoTls)
        .await
        .unwrap();
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        let mut messages = futures_util::stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let tokio_postgres::AsyncMessage::Notice(notice) = message
                && said.send(notice).is_err()
            {
                break;
            }
        }
    });
    call(&quiet, "'f', '1', idempotency_key => 'k'")
        .await
        .unwrap();
    call(&quiet, "'f', '2', idempotency_key => 'k'")
        .await
        .unwrap();
    let notice = heard.recv().await.unwrap();
    assert_eq!(notice.code(), &SqlState::WARNING);
    assert!(notice.message().contains("other arguments"), "{notice}");
    assert!(notice.detail().unwrap().contains(&id.to_string()));
    assert!(
        heard.try_recv().is_err(),
        "equal arguments are not warned of"
    );
    listening.abort();
}

#[tokio::test]
async fn what_is_rolled_back_was_never_there() {
    let (_database, store, mut client) = world().await;
    let transaction = client.transaction().await.unwrap();
    let sql =
        "SELECT stent.dispatch('f', '1', queue => 'q', idempotency_key => 'k', tags => '{t}')";
    transaction.query_one(sql, &[]).await.unwrap();
    assert!(executions(&store).await.is_empty(), "it is not committed");
    assert!(claim(&store, 1).await.unwrap().is_empty());
    transaction.rollback().await.unwrap();
    assert!(executions(&store).await.is_empty());
    let rows = "SELECT (SELECT count(*) FROM stent.task_rows) + (SELECT count(*) FROM stent.tags)
        + (SELECT count(*) FROM stent.idempotency_keys) + (SELECT count(*) FROM stent.lanes)";
    let left: i64 = client.query_one(rows, &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    // The lane that went with the transaction is made by whoever needs it next.
    dispatch(&store, "2").await.unwrap();
    assert_eq!(claim(&store, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_savepoint_takes_back_what_came_after_it() {
    let (_database, store, client) = world().await;
    client
        .batch_execute(
            "BEGIN; SELECT stent.dispatch('f', '1', idempotency_key => 'k'); SAVEPOINT s;
             SELECT stent.dispatch('f', '2', idempotency_key => 'l'); ROLLBACK TO s; COMMIT",
        )
        .await
        .unwrap();
    let claimed = claim(&store, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].input.as_str(), "1");
}

#[tokio::test]
async fn a_trigger_dispatches_with_the_rows_that_it_sees() {
    let (_database, store, client) = world().await;
    client
        .batch_execute(
            "CREATE TABLE orders (id integer PRIMARY KEY, item text NOT NULL);
             CREATE FUNCTION fulfil_new_order() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 PERFORM stent.dispatch('f', to_jsonb(NEW), idempotency_key => 'order-' || NEW.id);
                 RETURN NULL;
             END $$;
             CREATE TRIGGER fulfil AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION fulfil_new_order();
             INSERT INTO orders VALUES (1, 'pen'), (2, 'ink');",
        )
        .await
        .unwrap();
    let refused = client
        .batch_execute("INSERT INTO orders VALUES (3, 'cup'), (1, 'pen')")
        .await;
    assert!(refused.is_err(), "the key is taken");
    let claimed = claim(&store, 10).await.unwrap();
    let mut inputs: Vec<&str> = claimed.iter().map(|task| task.input.as_str()).collect();
    inputs.sort_unstable();
    assert_eq!(
        inputs,
        [r#"{"id": 1, "item": "pen"}"#, r#"{"id": 2, "item": "ink"}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_dispatches_under_one_key_make_one_execution() {
    let (database, store, client) = world().await;
    for end in ["COMMIT", "ROLLBACK"] {
        let key = format!("'f', '1', idempotency_key => '{end}'");
        client.batch_execute("BEGIN").await.unwrap();
        let first = call(&client, &key).await.unwrap();
        let other = crate::support::client(&database).await;
        let racing = {
            let key = key.clone();
            tokio::spawn(async move { call(&other, &key).await })
        };
        sees_one_waiting(&crate::support::client(&database).await).await;
        client.batch_execute(end).await.unwrap();
        let second = racing.await.unwrap().unwrap();
        assert_eq!(second == first, end == "COMMIT");
    }
    assert_eq!(executions(&store).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_waits_for_a_key_that_sql_is_about_to_use() {
    let (database, store, client) = world().await;
    client.batch_execute("BEGIN").await.unwrap();
    let first = call(&client, "'f', '1', idempotency_key => 'k'")
        .await
        .unwrap();
    let mut execution = execution("1");
    execution.idempotency_key = Some(IdempotencyKey::new("k").unwrap());
    let racing = tokio::spawn(async move { store.dispatch(one(execution)).await });
    sees_one_waiting(&crate::support::client(&database).await).await;
    client.batch_execute("COMMIT").await.unwrap();
    let answer = racing.await.unwrap().unwrap();
    assert_eq!(answer.executions[0].execution().as_uuid(), &first);
}

#[tokio::test]
async fn a_snapshot_that_is_too_old_for_a_key_is_told_to_try_again() {
    let (database, _store, client) = world().await;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let other = crate::support::client(&database).await;
    call(&other, "'f', '1', idempotency_key => 'k'")
        .await
        .unwrap();
    let (code, _) = refusal(&client, "'f', '1', idempotency_key => 'k'").await;
    assert_eq!(code, SqlState::T_R_SERIALIZATION_FAILURE);
}

#[tokio::test]
async fn bad_input_is_refused_with_what_to_do() {
    let (_database, store, client) = world().await;
    let long = "x".repeat(256);
    let tags = (0..33).map(|n| n.to_string()).collect::<Vec<_>>();
    for (arguments, says) in [
        ("''".to_owned(), "function name is empty"),
        ("NULL".to_owned(), "function name is empty"),
        (
            format!("'{long}'"),
            "function name has 256 bytes; at most 255",
        ),
        (
            "E'a\\nb'".to_owned(),
            "function name holds a control character",
        ),
        (
            "U&'a\\0085b'".to_owned(),
            "function name holds a control character",
        ),
        ("'f', queue => ''".to_owned(), "queue name is empty"),
        (
            format!("'f', queue => '{long}'"),
            "queue name has 256 bytes",
        ),
        ("'f', queue => E'\\x7f'".to_owned(), "queue name holds"),
        (
            "'f', idempotency_key => ''".to_owned(),
            "idempotency key is empty",
        ),
        ("'f', tags => ARRAY['a', NULL]".to_owned(), "tag is empty"),
        (format!("'f', tags => ARRAY['{long}']"), "tag has 256 bytes"),
        (
            format!("'f', tags => '{{{}}}'", tags.join(",")),
            "33 tags are too many",
        ),
        (
            "'f', priority => 2147483648".to_owned(),
            "priority 2147483648 is out of range",
        ),
        ("'f', delay => '-1 s'".to_owned(), "is negative"),
        ("'f', timeout => '0'".to_owned(), "leaves no time"),
        ("'f', timeout => '-1 s'".to_owned(), "leaves no time"),
        (
            "'f', delay => '1 s', run_at => now()".to_owned(),
            "both run_at and delay",
        ),
        (
            "'f', to_json(repeat('x', 4194303))".to_owned(),
            "the payload has 4194305 bytes; at most 4194304",
        ),
    ] {
        let (code, text) = refusal(&client, &arguments).await;
        assert_eq!(code, SqlState::INVALID_PARAMETER_VALUE, "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.ends_with(": "), "it says what to do: {text}");
    }
    for input in ["", "{", "{'a': 1}", "1 2", "nul", "\"\u{1}\"", "[1,]", "01"] {
        let arguments = format!("'f', $${input}$$");
        let (code, _) = refusal(&client, &arguments).await;
        assert_eq!(code, SqlState::INVALID_TEXT_REPRESENTATION, "{input}");
        assert!(Payload::parse(input, 100).is_err(), "as in Rust: {input}");
    }
    let (code, _) = refusal(&client, "'f', '1e999999'").await;
    assert_eq!(code, SqlState::NUMERIC_VALUE_OUT_OF_RANGE);
    assert!(executions(&store).await.is_empty());
    let longest = format!("'{}', queue => '{}'", &long[1..], "é".repeat(127));
    call(&client, &longest).await.unwrap();
    call(&client, "'f', to_json(repeat('x', 4194302))")
        .await
        .unwrap();
}

/// SQL and Rust agree on what is a payload, at each border that there is.
#[tokio::test]
async fn sql_takes_just_the_payloads_that_rust_takes() {
    let (_database, _store, client) = world().await;
    client
        .batch_execute("SET standard_conforming_strings = off")
        .await
        .unwrap();
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let mixed = |depth: usize| r#"{"[[":["#.repeat(depth) + &"]}".repeat(depth);
    let wide = format!("[{}{{}}]", r#"[],{"a":[]},"#.repeat(200));
    let long = |digit: &str| digit.repeat(309);
    let mut payloads = vec![nested(127), nested(128), mixed(63), mixed(64), wide];
    payloads.extend([format!("\"{}\"", nested(500)), long("1"), long("9")]);
    let zeros = |count: usize| format!("1{}", "0".repeat(count));
    payloads.extend([62, 63].map(|power| format!("{}e{power}", zeros(246))));
    payloads.extend([91, 92].map(|power| format!("{}e-{power}", zeros(400))));
    payloads.extend([308, 309].map(|digits| format!("[{}.5]", zeros(digits))));
    payloads.extend(["{".repeat(200), format!("[{}]", "1e3, 1E+3, ".repeat(5))]);
    for text in [
        r#""\ud83d\ude00""#,
        r#""\uD83D\uDE00\\ud83d""#,
        r#""\ud83d""#,
        r#""\ude00\ud83d""#,
        r#""\ud83d\\ude00""#,
        r#""\\\ud83d""#,
        r#"{"\udc00":1}"#,
        r#""\\\\ud83d""#,
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "-1E+309",
        "1e999",
        "0e999",
        "1e-999",
        "[1,{\"a\":1e400}]",
        "\"1e999\"",
        "12345678901234567890123",
        "\u{feff}1",
        " \t\r\n1 ",
        "\u{a0}1",
        "+1",
        ".5",
        "1.",
        "-0",
        "NaN",
        "\"\u{7f}\u{2028}\"",
        "\"\\x\"",
        "\"\\u12g4\"",
    ] {
        payloads.push(text.to_owned());
    }
    for payload in payloads {
        let by_rust = Payload::parse(payload.as_str(), 10_000).is_ok();
        let sql = "SELECT stent.dispatch('f', $1::text)";
        let by_sql = client.query_one(sql, &[&payload]).await;
        assert_eq!(by_sql.is_ok(), by_rust, "{payload}: {by_sql:?}");
    }
}

#[test]
fn the_limits_are_those_of_the_core() {
    let text = concat!(
        include_str!("../../migrations/0002_plain_sql.sql"),
        include_str!("../../migrations/0010_long_numbers.sql"),
    );
    for (limit, times) in [
        (format!("> {}", defaults::NAME_MAX_BYTES), 1),
        (format!("> {}", defaults::TAGS_MAX), 1),
        (format!("> {}", defaults::PAYLOAD_MAX_BYTES), 2),
        (format!("'{}'", defaults::QUEUE), 4),
        (Timestamp::MAX.as_micros().to_string(), 6),
    ] {
        assert_eq!(text.matches(&limit).count(), times, "{limit}");
    }
}

/// Settings of the caller's that would change what names mean, or what a plan does.
#[tokio::test]
async fn nothing_depends_on_what_the_caller_has_set() {
    let (_database, store, client) = world().await;
    client
        .batch_execute(
            "CREATE SCHEMA evil;
             CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
             CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;
             CREATE OPERATOR evil.* (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl);
             SET search_path = evil, pg_catalog;
             SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kathmandu';
             SET standard_conforming_strings = off; SET enable_indexscan = off; SET transform_null_equals = on;",
        )
        .await
        .unwrap();
    let plain = call(&client, "'f', '1', delay => '1 day'").await.unwrap();
    let mut by_store = execution("1");
    by_store.root.due = When::After(Duration::from_secs(86_400));
    let by_store = store.dispatch(one(by_store)).await.unwrap().executions[0].execution();
    assert_eq!(
        seen(&store, plain).await,
        seen(&store, *by_store.as_uuid()).await
    );
    let shown: String = client
        .query_one("SELECT current_setting('search_path')", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        shown, "evil, pg_catalog",
        "the caller's settings are as they were"
    );
}

/// Whatever is known of the tables, no dispatch reads one of the large ones as a whole.
#[tokio::test]
async fn no_dispatch_reads_a_whole_table() {
    let (database, _store, client) = world().await;
    database
        .sql(include_str!("../../src/statements/fill.sql"))
        .unwrap();
    for analysed in [false, true] {
        if analysed {
            database.sql("ANALYZE").unwrap();
        }
        client.batch_execute("BEGIN").await.unwrap();
        for n in 0..20 {
            let key = format!("'f{n}', '1', idempotency_key => '{n}', tags => '{{a,b}}'");
            call(&client, &key).await.unwrap();
            call(&client, &key).await.unwrap();
        }
        let scans = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_xact_user_tables
             WHERE schemaname = 'stent' AND relname <> 'installation'";
        let scans: i64 = client.query_one(scans, &[]).await.unwrap().get(0);
        assert_eq!(scans, 0, "analysed: {analysed}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_hears_of_work_with_the_commit_and_once() {
    let long = "a".repeat(60);
    for schema in ["stent", "with \"quotes\" and 'ticks'", &long] {
        let database = database();
        let opened = options(database.url()).schema(schema).unwrap().listen(true);
        let store = opened.open().await.unwrap();
        let mut hints = store.hints();
        assert_eq!(next(&mut hints).await, Hint::Anything, "it listens");
        let client = client(&database).await;
        let dispatch = |arguments: &str| {
            let schema = schema.replace('"', "\"\"");
            format!("SELECT \"{schema}\".dispatch('f', {arguments}) FROM generate_series(1, 100);")
        };
        let work = [
            dispatch("queue => 'never'"),
            "ROLLBACK; BEGIN;".to_owned(),
            dispatch("queue => 'now'"),
            dispatch("queue => 'later', run_at => '2100-01-01 00:00:00.5+00'"),
            "COMMIT".to_owned(),
        ];
        client
            .batch_execute(&format!("BEGIN; {}", work.concat()))
            .await
            .unwrap();
        let due = |queue: &str, micros: i64| Hint::Due {
            queue: QueueName::new(queue).unwrap(),
            at: Timestamp::from_micros(micros),
        };
        assert_eq!(next(&mut hints).await, due("now", 0));
        assert_eq!(next(&mut hints).await, due("later", 4_102_444_800_000_000));
        client
            .batch_execute(&dispatch("queue => 'last'"))
            .await
            .unwrap();
        assert_eq!(next(&mut hints).await, due("last", 0), "each is told once");
    }
}
