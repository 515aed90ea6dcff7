//! What SQL reads is what the store tells, of executions in each state that there is.

use std::{collections::BTreeSet, time::Duration};

use stent::{
    prelude::*,
    store::{
        ExecutionQuery, Outcome, OutcomeKind, Payload, StateKind, TaskQuery, TaskRecord, Timestamp,
    },
    tokio_postgres::{Client, NoTls, connect},
};

use super::{open, until};

#[durable(max_concurrent = 3)]
async fn adds(a: u32, b: u32) -> stent::Result<u32> {
    Ok(a + b)
}

#[durable(retry(max_attempts = 1))]
async fn fails(_order: String) -> stent::Result<()> {
    Err(stent::fatal("no such \"order\""))
}

#[durable]
async fn calls(n: u32) -> stent::Result<u32> {
    let sum = adds(n, 1).await?;
    let never: u32 = stent::signal("never").await?;
    Ok(sum + never)
}

#[durable]
async fn nobody_has_it() -> stent::Result<()> {
    Ok(())
}

async fn lines(client: &Client, sql: &str) -> BTreeSet<String> {
    let rows = client.query(sql, &[]).await.unwrap();
    let lines: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(lines.len(), rows.len());
    lines
}

/// The columns of a task that both views have, as one text.
const TASK: &str = "concat_ws('|', id, function, queue, priority, state, state_code,
    coalesce((extract(epoch FROM due_at) * 1000000)::bigint::text, '-'),
    coalesce(worker, '-'), coalesce((extract(epoch FROM lease_expires_at) * 1000000)::bigint::text, '-'),
    attempt, crashes, holds_slot, cancel_requested, operations,
    coalesce((extract(epoch FROM timeout) * 1000000)::bigint::text, '-'),
    coalesce((extract(epoch FROM deadline_at) * 1000000)::bigint::text, '-'),
    (extract(epoch FROM created_at) * 1000000)::bigint, (extract(epoch FROM queued_at) * 1000000)::bigint,
    coalesce((extract(epoch FROM ended_at) * 1000000)::bigint::text, '-'), input, coalesce(result::text, '-'),
    coalesce(failure->>'message', '-')";

fn micros(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.as_micros().to_string())
}

fn line(record: &TaskRecord) -> String {
    let task = &record.task;
    let worker = match &task.state {
        stent::State::Running { holder, .. } => holder.as_str(),
        _ => "-",
    };
    let timeout = task.timeout.map(|span| span.as_micros().to_string());
    let (result, failure) = match &record.outcome {
        Some(Outcome::Completed(payload)) => (payload.as_str(), "-"),
        Some(Outcome::Failed(failure) | Outcome::TimedOut(failure)) => ("-", failure.message()),
        Some(Outcome::Cancelled) | None => ("-", "-"),
    };
    let flag = |on: bool| if on { "t" } else { "f" };
    [
        task.id.to_string(),
        task.function.to_string(),
        task.queue.to_string(),
        task.priority.0.to_string(),
        task.state.kind().to_string(),
        task.state.kind().code().to_string(),
        micros(task.state.due_at()),
        worker.to_owned(),
        micros(task.state.lease_expires_at()),
        task.attempt().to_string(),
        task.crashes.total.to_string(),
        flag(task.holds_slot).to_owned(),
        flag(task.cancel_requested).to_owned(),
        task.operations.to_string(),
        timeout.unwrap_or_else(|| "-".to_owned()),
        micros(task.deadline),
        micros(Some(task.created_at)),
        micros(Some(task.queued_at)),
        micros(task.state.ended_at()),
        record.input.as_ref().map_or("", Payload::as_str).to_owned(),
        result.to_owned(),
        failure.to_owned(),
    ]
    .join("|")
}

/// Executions in each state that lasts, and what is asked of their database.
async fn world(stent: &Stent) {
    let worker = stent.worker().register(functions![adds, fails, calls]);
    let worker = worker.suspend_after(Duration::ZERO).start().await.unwrap();
    let completed = adds(1, 2).tag("vip").tag("new").timeout("1.5s");
    let completed = completed.deadline(Duration::from_secs(3_600));
    stent.run(completed).await.unwrap();
    let failed = fails("17".to_owned())
        .idempotency_key("order-17")
        .priority(-3);
    assert!(stent.run(failed).await.is_err());
    for is_cancelled in [false, true] {
        let waits = stent.dispatch(calls(1)).await.unwrap();
        until(stent, waits.id(), StateKind::Suspended).await;
        if is_cancelled {
            waits.cancel().await.unwrap();
            until(stent, waits.id(), StateKind::Cancelled).await;
        }
    }
    worker.drain().await.unwrap();
    let later = nobody_has_it().delay("1h").queue("mail");
    stent.dispatch(later).await.unwrap();
    stent.dispatch(nobody_has_it()).await.unwrap();
    stent.dispatch(calls(2).queue("mail")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_tell_what_the_store_tells() {
    let database = stent_test_postgres::database().unwrap();
    let stent = open(&database).await;
    world(&stent).await;
    let (client, connection) = connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);

    let query = TaskQuery {
        limit: 100,
        payloads: true,
        ..TaskQuery::default()
    };
    let tasks = stent.tasks(query).await.unwrap().tasks;
    let told: BTreeSet<String> = tasks
        .iter()
        .map(|record| {
            let (task, link) = (&record.task, record.task.parent);
            let parent = link.map_or("-".to_owned(), |link| {
                format!("{}|{}", link.task, link.position)
            });
            format!("{}|{}|{parent}", line(record), task.execution)
        })
        .collect();
    let sql = format!(
        "SELECT {TASK}, execution_id, coalesce(parent_id || '|' || call_position, '-')) FROM stent.tasks"
    );
    assert_eq!(lines(&client, &sql).await, told);
    assert!(told.len() > 8);

    let query = ExecutionQuery {
        limit: 100,
        payloads: true,
        ..ExecutionQuery::default()
    };
    let executions = stent.executions(query).await.unwrap().executions;
    let told: BTreeSet<String> = executions
        .iter()
        .map(|record| {
            let tags: Vec<&str> = record.tags.iter().map(|tag| tag.as_str()).collect();
            let key = record.idempotency_key.as_ref();
            let key = key.map_or("-", |key| key.as_str());
            format!("{}|{key}|{}", line(&record.root), tags.join(","))
        })
        .collect();
    let columns = ", coalesce(idempotency_key, '-'), array_to_string(tags, ','))";
    let sql = format!("SELECT {TASK}{columns} FROM stent.executions");
    assert_eq!(lines(&client, &sql).await, told);

    let failed = executions.iter().filter(|record| {
        let outcome = record.root.outcome.as_ref();
        outcome.is_some_and(|outcome| outcome.kind() == OutcomeKind::Failed)
    });
    let failed = failed
        .map(|record| record.root.task.id.to_string())
        .collect();
    let sql = "SELECT id::text FROM stent.dead_letters WHERE failure->>'message' LIKE 'no such%'";
    assert_eq!(lines(&client, sql).await, failed);
    let sql = "SELECT e.id::text FROM stent.execution_tags AS t JOIN stent.executions AS e ON e.id = t.execution_id WHERE t.tag = 'vip'";
    assert_eq!(lines(&client, sql).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_count_what_the_store_counts() {
    let database = stent_test_postgres::database().unwrap();
    let stent = open(&database).await;
    world(&stent).await;
    stent.set_limit("calls", 7).await.unwrap();
    let (client, connection) = connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);

    let queues = stent.queues().await.unwrap();
    let told: BTreeSet<String> = queues
        .iter()
        .map(|queue| {
            let counts = queue.counts;
            let due = micros(queue.oldest_due);
            format!(
                "{}|{}|{}|{}|{due}",
                queue.name, counts.pending, counts.running, counts.suspended
            )
        })
        .collect();
    let sql = "SELECT concat_ws('|', name, pending, running, suspended,
        coalesce((extract(epoch FROM oldest_due_at) * 1000000)::bigint::text, '-')) FROM stent.queues";
    assert_eq!(lines(&client, sql).await, told);
    assert_eq!(told.len(), 2);

    let functions = stent.functions().await.unwrap();
    let told: BTreeSet<String> = functions
        .iter()
        .map(|function| {
            let counts = function.counts;
            let limit = function.limits.effective();
            let limit = limit.map_or("-".to_owned(), |limit| limit.max_concurrent.to_string());
            format!(
                "{}|{}|{}|{}|{limit}|{}",
                function.name,
                counts.pending,
                counts.running,
                counts.suspended,
                function.slots_held
            )
        })
        .collect();
    let sql = "SELECT concat_ws('|', name, pending, running, suspended, coalesce(max_concurrent::text, '-'), slots_held) FROM stent.functions";
    assert_eq!(lines(&client, sql).await, told);

    let told: BTreeSet<String> = stent
        .workers()
        .await
        .unwrap()
        .iter()
        .map(|worker| {
            let (seen, since) = (micros(Some(worker.seen_at)), micros(Some(worker.since)));
            let report = &worker.report;
            let (name, capacity, leased) = (&report.name, report.capacity, report.leased);
            format!(
                "{name}|{capacity}|{leased}|{}|{since}|{seen}",
                report.draining
            )
        })
        .collect();
    let sql = "SELECT concat_ws('|', name, capacity, leased, draining::text, (extract(epoch FROM since_at) * 1000000)::bigint,
        (extract(epoch FROM seen_at) * 1000000)::bigint) FROM stent.workers";
    assert_eq!(lines(&client, sql).await, told);
    assert_eq!(told.len(), 1);
    let sql = "SELECT task_id::text FROM stent.leases";
    assert!(lines(&client, sql).await.is_empty());
}
