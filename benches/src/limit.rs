//! The limit: what the database does when hand-written SQL does the same work, and nothing else.
//!
//! One table with the columns that a task needs and three partial indexes. Tasks are inserted, claimed (picked by a materialised expression, so
//! that a claim takes exactly as many as it asks for), and completed with a result under their fencing token; all of them stay as history.
//! Every batch is one transaction. The connection is set up as the SQLite store sets up its own.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::time::{Duration, Instant};

use crate::{
    Result,
    measure::{Sample, Unit, milliseconds, quantile},
    options::Options,
    stores::StoreKind,
};

/// Which batch sizes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Batches {
    None,
    Single,
    Large,
    SingleAndLarge,
    All,
}

impl Batches {
    /// Batch sizes, each with the number of tasks that it is measured by.
    const fn sizes(self) -> &'static [(usize, usize)] {
        const SIZES: &[(usize, usize)] =
            &[(1, 2_000), (100, 100_000), (1_000, 100_000), (10, 20_000)];
        match self {
            Self::None => &[],
            Self::Single => SIZES.split_at(1).0,
            Self::Large => SIZES.split_at(1).1.split_at(2).0,
            Self::SingleAndLarge => SIZES.split_at(3).0,
            Self::All => SIZES,
        }
    }
}

/// What the database reached in one round.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// By batch size.
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
        let single = self.batches.iter().find(|at| at.batch == 1);
        single.expect("the workload says that it needs it")
    }

    /// The batches that drain fastest.
    pub(crate) fn bulk(&self) -> &AtBatch {
        let fastest = |a: &&AtBatch, b: &&AtBatch| a.drain().total_cmp(&b.drain());
        self.batches
            .iter()
            .max_by(fastest)
            .expect("the workload says that it needs it")
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

/// Measures batch sizes, each in a database of its own. The memory store has no limit, so it is put beside SQLite's, which nobody is shown.
pub(crate) async fn measure(
    store: StoreKind,
    batches: Batches,
    options: &Options,
) -> Result<Limit> {
    let mut measured = Vec::new();
    for &(batch, tasks) in batches.sizes() {
        let tasks = options.scaled(tasks).max(2 * batch);
        measured.push(match store {
            StoreKind::Memory | StoreKind::Sqlite => sqlite::at_batch(batch, tasks, options)?,
            StoreKind::Postgres => postgres::at_batch(batch, tasks).await?,
        });
    }
    Ok(Limit { batches: measured })
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
                samples.push(Sample::beside(
                    workload,
                    value,
                    Unit::TasksPerSecond,
                    value,
                    "itself",
                ));
            }
        }
        samples
    }
}
