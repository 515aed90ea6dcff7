//! The limit of SQLite: one connection, one statement for each task that is made or completed, one for each claim.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, params};

use super::{AtBatch, Drain};
use crate::{
    Result,
    measure::{milliseconds, now, rate},
    options::Options,
};

const SCHEMA: &str = "
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, state INTEGER NOT NULL, run_at INTEGER NOT NULL, lease_until INTEGER, holder TEXT,
        token INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, input TEXT NOT NULL, outcome TEXT);
    CREATE INDEX due ON tasks (lane, run_at) WHERE state = 1;
    CREATE INDEX leased ON tasks (lease_until) WHERE state = 2;
    CREATE INDEX ended ON tasks (ended_at) WHERE state = 4;";
const INSERT: &str = "INSERT INTO tasks (lane, state, run_at, input) VALUES (1, 1, ?1, ?2)";
const CLAIM: &str = "
    WITH picked AS MATERIALIZED (SELECT id FROM tasks WHERE lane = 1 AND state = 1 AND run_at <= ?1 ORDER BY run_at LIMIT ?2)
    UPDATE tasks SET state = 2, lease_until = ?3, holder = ?4, token = token + 1 WHERE id IN (SELECT id FROM picked)
    RETURNING id, token, input";
const COMPLETE: &str = "
    UPDATE tasks SET state = 4, lease_until = NULL, holder = NULL, ended_at = ?3, outcome = ?4 WHERE id = ?1 AND token = ?2 AND state = 2";

/// How long one process waits for another's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Measures one batch size in a database of its own.
pub(super) fn at_batch(batch: usize, tasks: usize, options: &Options) -> Result<AtBatch> {
    let folder = options.temporary()?;
    let connection = create(&folder.path().join("limit.db"), options.is_normal())?;
    let rounds = tasks / batch;
    let began = now();
    let inserting = insert(&connection, batch, rounds)?;
    let insert = rate(rounds * batch, began.elapsed());
    let mut spans = Drain::default();
    for _ in 0..rounds {
        let began = now();
        let claimed = claim_batch(&connection, batch)?;
        let between = now();
        complete_batch(&connection, &claimed)?;
        spans.add(began, between, now());
        if claimed.len() != batch {
            return Err(format!("{} tasks were claimed instead of {batch}", claimed.len()).into());
        }
    }
    let all = inserting.iter().zip(&spans.rounds);
    Ok(AtBatch {
        batch,
        insert,
        claim: rate(rounds * batch, spans.claiming),
        complete: rate(rounds * batch, spans.completing),
        all: all.map(|(insert, drain)| insert + drain).collect(),
        inserting,
    })
}

/// Makes a database with the limit's table.
pub(crate) fn create(path: &Path, normal: bool) -> Result<Connection> {
    let connection = open(path, normal)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Opens a database as the SQLite store does.
pub(crate) fn open(path: &Path, normal: bool) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if normal { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "cache_size", -64 * 1_024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 4_000, |_| Ok(()))?;
    Ok(connection)
}

/// Claims and completes one batch at most; how many that were.
pub(crate) fn work_off(connection: &Connection, batch: usize) -> Result<usize> {
    let claimed = claim_batch(connection, batch)?;
    if !claimed.is_empty() {
        complete_batch(connection, &claimed)?;
    }
    Ok(claimed.len())
}

/// A task that was claimed: its id and its fencing token.
pub(crate) type Claimed = (i64, i64);

/// Claims one task, if there is one.
pub(crate) fn claim_one(connection: &Connection) -> Result<Option<Claimed>> {
    let claimed = claim_batch(connection, 1)?;
    Ok(claimed.into_iter().next())
}

/// Completes a task that was claimed.
pub(crate) fn complete_one(connection: &Connection, claimed: Claimed) -> Result {
    complete_batch(connection, &[claimed])
}

/// Inserts; gives the milliseconds that each transaction took.
pub(crate) fn insert(connection: &Connection, batch: usize, rounds: usize) -> Result<Vec<f64>> {
    let mut insert = connection.prepare(INSERT)?;
    let mut spans = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let began = now();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for task in 0..batch {
            let run_at = i64::try_from(round * batch + task)?;
            insert.execute(params![run_at, "[17]"])?;
        }
        connection.execute_batch("COMMIT")?;
        spans.push(milliseconds(began.elapsed()));
    }
    Ok(spans)
}

fn claim_batch(connection: &Connection, batch: usize) -> Result<Vec<Claimed>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let claimed = connection
        .prepare_cached(CLAIM)?
        .query_map(
            params![i64::MAX, i64::try_from(batch)?, 1_i64, "worker-1"],
            |row| {
                let _input: String = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    connection.execute_batch("COMMIT")?;
    Ok(claimed)
}

fn complete_batch(connection: &Connection, claimed: &[Claimed]) -> Result {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut complete = connection.prepare_cached(COMPLETE)?;
    for (id, token) in claimed {
        if complete.execute(params![id, token, 2_i64, "null"])? != 1 {
            return Err("a task that was claimed could not be completed".into());
        }
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}
