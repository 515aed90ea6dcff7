//! The limit: what the database does when hand-written SQL does the same work, and nothing else.
//!
//! One table with the columns that a task needs and three partial indexes. Tasks are inserted, claimed (picked by a materialised expression, so
//! that a claim takes exactly as many as it asks for), and completed with a result under their fencing token; all of them stay as history.
//! Every batch is one transaction. The connection is set up as the SQLite store sets up its own.

pub(crate) mod postgres;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Statement, params};

use crate::{
    Result,
    measure::{Sample, Unit, milliseconds, now, quantile, rate},
    options::Options,
};

/// Batch sizes, each with the number of tasks that it is measured by.
const BATCHES: [(usize, usize); 4] = [(1, 2_000), (10, 20_000), (100, 100_000), (1_000, 100_000)];

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

/// What the database reached in one round.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// By batch size, the smallest first.
    pub(crate) batches: Vec<AtBatch>,
}

/// Rates at one batch size, in tasks per second, and how long one transaction took.
#[derive(Clone, Debug)]
pub(crate) struct AtBatch {
    pub(crate) batch: usize,
    pub(crate) insert: f64,
    pub(crate) claim: f64,
    pub(crate) complete: f64,
    inserting: Vec<f64>,
    all: Vec<f64>,
}

impl AtBatch {
    /// Tasks claimed and completed per second.
    pub(crate) fn drain(&self) -> f64 {
        1.0 / (1.0 / self.claim + 1.0 / self.complete)
    }

    /// Tasks inserted, claimed and completed per second.
    pub(crate) fn whole(&self) -> f64 {
        1.0 / (1.0 / self.insert + 1.0 / self.drain())
    }
}

impl Limit {
    /// Single tasks.
    pub(crate) fn single(&self) -> &AtBatch {
        self.batches.first().expect("`BATCHES` is not empty")
    }

    /// The batches that drain fastest.
    pub(crate) fn bulk(&self) -> &AtBatch {
        let fastest = |a: &&AtBatch, b: &&AtBatch| a.drain().total_cmp(&b.drain());
        self.batches
            .iter()
            .max_by(fastest)
            .expect("`BATCHES` is not empty")
    }

    /// Milliseconds that a fraction of single inserts did not exceed: one commit each.
    pub(crate) fn insert_takes(&self, fraction: f64) -> f64 {
        quantile(&self.single().inserting, fraction)
    }

    /// Milliseconds that a fraction of single tasks did not exceed from insert to completion: three commits each.
    pub(crate) fn task_takes(&self, fraction: f64) -> f64 {
        quantile(&self.single().all, fraction)
    }
}

/// Measures every batch size, each in a database of its own.
pub(crate) fn measure(options: &Options) -> Result<Limit> {
    let batches = BATCHES.iter().map(|&(batch, tasks)| {
        let folder = options.temporary()?;
        let tasks = options.scaled(tasks).max(batch);
        at_batch(&folder.path().join("limit.db"), batch, tasks, options)
    });
    Ok(Limit {
        batches: batches.collect::<Result<_>>()?,
    })
}

fn at_batch(path: &Path, batch: usize, tasks: usize, options: &Options) -> Result<AtBatch> {
    let connection = open(path, options.is_normal())?;
    let rounds = tasks / batch;
    let began = now();
    let inserting = insert(&connection, batch, rounds)?;
    let insert = rate(rounds * batch, began.elapsed());
    let mut spans = Drain::default();
    let mut claim = connection.prepare(CLAIM)?;
    let mut complete = connection.prepare(COMPLETE)?;
    for _ in 0..rounds {
        let began = now();
        let claimed = claim_batch(&connection, &mut claim, batch)?;
        let between = now();
        complete_batch(&connection, &mut complete, &claimed)?;
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

#[derive(Default)]
struct Drain {
    claiming: Duration,
    completing: Duration,
    rounds: Vec<f64>,
}

impl Drain {
    fn add(&mut self, began: Instant, between: Instant, ended: Instant) {
        self.claiming += between - began;
        self.completing += ended - between;
        self.rounds.push(milliseconds(ended - began));
    }
}

fn open(path: &Path, normal: bool) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if normal { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "cache_size", -64 * 1_024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 4_000, |_| Ok(()))?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// Inserts; gives the milliseconds that each transaction took.
fn insert(connection: &Connection, batch: usize, rounds: usize) -> Result<Vec<f64>> {
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

fn claim_batch(
    connection: &Connection,
    claim: &mut Statement<'_>,
    batch: usize,
) -> Result<Vec<(i64, i64)>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let claimed = claim
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

fn complete_batch(
    connection: &Connection,
    complete: &mut Statement<'_>,
    claimed: &[(i64, i64)],
) -> Result {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for (id, token) in claimed {
        if complete.execute(params![id, token, 2_i64, "null"])? != 1 {
            return Err("a task that was claimed could not be completed".into());
        }
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

impl Limit {
    /// The limit as figures of its own; it is its own limit.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for at in &self.batches {
            let (insert, drain) = match at.batch {
                1 => ("insert_by_1", "drain_by_1"),
                10 => ("insert_by_10", "drain_by_10"),
                100 => ("insert_by_100", "drain_by_100"),
                _ => ("insert_by_1000", "drain_by_1000"),
            };
            for (workload, value) in [(insert, at.insert), (drain, at.drain())] {
                samples.push(Sample {
                    workload,
                    value,
                    unit: Unit::TasksPerSecond,
                    limit: value,
                    limit_is: "itself",
                    commits_per_unit: None,
                });
            }
        }
        samples
    }
}
