//! The limit of PostgreSQL: the same table and the same work as on SQLite, in as few statements as there are batches.
//!
//! Each statement is prepared, takes its batch as arrays and is a transaction of its own. Large batches are drained by two connections at once,
//! which a server on the same two processors can just keep busy.

use std::time::Duration;

use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};

use super::{AtBatch, Drain};
use crate::{
    Result,
    measure::{milliseconds, now, rate},
    stores::PostgresServer,
};

const SCHEMA: &str = "
    CREATE TABLE tasks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lane bigint NOT NULL, state smallint NOT NULL, run_at bigint NOT NULL,
        lease_until bigint, holder text, token bigint NOT NULL DEFAULT 0, ended_at bigint, input text NOT NULL, outcome text);
    CREATE INDEX due ON tasks (lane, run_at) WHERE state = 1;
    CREATE INDEX leased ON tasks (lease_until) WHERE state = 2;
    CREATE INDEX ended ON tasks (ended_at) WHERE state = 4;";
const INSERT: &str = "INSERT INTO tasks (lane, state, run_at, input) SELECT 1, 1, run_at, '[17]' FROM unnest($1::bigint[]) AS run_at";
const CLAIM: &str = "
    WITH picked AS MATERIALIZED (
        SELECT id FROM tasks WHERE lane = 1 AND state = 1 AND run_at <= $1 ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    UPDATE tasks SET state = 2, lease_until = 1, holder = 'worker-1', token = token + 1 FROM picked WHERE tasks.id = picked.id
    RETURNING tasks.id, tasks.token, tasks.input";
const COMPLETE: &str = "
    UPDATE tasks SET state = 4, lease_until = NULL, holder = NULL, ended_at = 2, outcome = 'null'
    FROM unnest($1::bigint[], $2::bigint[]) AS done (id, token)
    WHERE tasks.id = done.id AND tasks.token = done.token AND tasks.state = 2";

/// Inserts a task and tells those who listen, in one transaction.
const INSERT_AND_NOTIFY: &str = "
    WITH made AS (INSERT INTO tasks (lane, state, run_at, input) VALUES (1, 1, 0, '[17]') RETURNING id)
    SELECT pg_notify('tasks', '') FROM made";
/// Where those listen who wait for tasks.
pub(crate) const CHANNEL: &str = "tasks";

/// From this batch size on two connections drain.
const TWO_CONNECTIONS_FROM: usize = 100;

/// Opens a connection.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with its client; whoever uses that is told of an error.
    tokio::spawn(async { connection.await.unwrap_or_default() });
    Ok(client)
}

/// Opens a connection, and makes the limit's table in an empty database.
pub(crate) async fn create(url: &str) -> Result<Client> {
    let client = connect(url).await?;
    client.batch_execute(SCHEMA).await?;
    Ok(client)
}

/// Measures one batch size in a database of its own.
pub(super) async fn at_batch(batch: usize, tasks: usize) -> Result<AtBatch> {
    let url = &PostgresServer::running()?.database()?;
    let client = create(url).await?;
    let rounds = tasks / batch;
    let began = now();
    let inserting = insert(&client, batch, rounds).await?;
    let insert = rate(rounds * batch, began.elapsed());

    let connections = if batch < TWO_CONNECTIONS_FROM { 1 } else { 2 };
    let drained = if connections == 1 {
        vec![drain(&client, batch, rounds).await?]
    } else {
        let second = connect(url).await?;
        let (first, second) = tokio::try_join!(
            drain(&client, batch, rounds / 2),
            drain(&second, batch, rounds - rounds / 2)
        )?;
        vec![first, second]
    };
    let per_connection = |span: fn(&Drain) -> Duration| -> Duration {
        drained.iter().map(span).sum::<Duration>() / connections
    };
    let spans = drained.iter().flat_map(|drain| &drain.rounds);
    Ok(AtBatch {
        batch,
        insert,
        claim: rate(rounds * batch, per_connection(|drain| drain.claiming)),
        complete: rate(rounds * batch, per_connection(|drain| drain.completing)),
        all: inserting.iter().zip(spans).map(|(a, b)| a + b).collect(),
        inserting,
    })
}

/// Inserts; gives the milliseconds that each transaction took.
pub(crate) async fn insert(client: &Client, batch: usize, rounds: usize) -> Result<Vec<f64>> {
    let insert = client.prepare(INSERT).await?;
    let mut spans = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let first = i64::try_from(round * batch)?;
        let run_at: Vec<i64> = (first..).take(batch).collect();
        let began = now();
        client.execute(&insert, &[&run_at]).await?;
        spans.push(milliseconds(began.elapsed()));
    }
    Ok(spans)
}

async fn drain(client: &Client, batch: usize, rounds: usize) -> Result<Drain> {
    let worker = Worker::new(client, batch).await?;
    let mut spans = Drain::default();
    for _ in 0..rounds {
        let began = now();
        let claimed = worker.claim().await?;
        let between = now();
        worker.complete(&claimed).await?;
        spans.add(began, between, now());
        if claimed.len() != batch {
            return Err(format!("{} tasks were claimed instead of {batch}", claimed.len()).into());
        }
    }
    Ok(spans)
}

/// A connection that claims and completes batches.
pub(crate) struct Worker<'c> {
    client: &'c Client,
    claim: Statement,
    complete: Statement,
    batch: i64,
}

impl<'c> Worker<'c> {
    pub(crate) async fn new(client: &'c Client, batch: usize) -> Result<Self> {
        Ok(Self {
            client,
            claim: client.prepare(CLAIM).await?,
            complete: client.prepare(COMPLETE).await?,
            batch: i64::try_from(batch)?,
        })
    }

    /// Claims one batch at most.
    pub(crate) async fn claim(&self) -> Result<Vec<Row>> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&i64::MAX, &self.batch];
        Ok(self.client.query(&self.claim, &parameters).await?)
    }

    /// Completes what was claimed.
    pub(crate) async fn complete(&self, claimed: &[Row]) -> Result {
        let ids: Vec<i64> = claimed.iter().map(|row| row.get(0)).collect();
        let tokens: Vec<i64> = claimed.iter().map(|row| row.get(1)).collect();
        let completed = self
            .client
            .execute(&self.complete, &[&ids, &tokens])
            .await?;
        if completed == u64::try_from(claimed.len())? {
            Ok(())
        } else {
            let claimed = claimed.len();
            Err(format!("of {claimed} tasks that were claimed {completed} were completed").into())
        }
    }
}

/// A connection that makes tasks and tells of them.
pub(crate) struct Notifier {
    client: Client,
    insert: Statement,
}

impl Notifier {
    pub(crate) async fn new(client: Client) -> Result<Self> {
        let insert = client.prepare(INSERT_AND_NOTIFY).await?;
        Ok(Self { client, insert })
    }

    /// Makes a task.
    pub(crate) async fn insert(&self) -> Result {
        self.client.execute(&self.insert, &[]).await?;
        Ok(())
    }
}
