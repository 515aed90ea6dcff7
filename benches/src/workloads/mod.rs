//! What is measured. Each workload has a module of its own, a fresh store for each measurement, and workers with all options
//! at their defaults.

mod backlog;
mod costs;
mod dispatch;
mod drain;
mod elsewhere;
mod fanout;
mod idle;
mod latency;
mod processes;
mod steps;
mod store;

use std::{fmt, time::Duration};

use clap::ValueEnum;
use stent::{prelude::*, store::ExecutionQuery, worker::Worker};

use crate::{
    Result,
    functions::plain,
    limit::{Batches, Limit},
    measure::{Sample, now},
    options::Options,
    stores::{Opened, StoreKind},
};

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// The store alone: dispatch, claim and commit by its trait, without client and worker
    Store,
    /// Calls made durable: one by one, by 32 callers at once, in bulk
    Dispatch,
    /// 100,000 waiting tasks that do nothing, until all have ended
    Drain,
    /// An idle worker: from dispatch until the body starts, and until its result is seen
    Latency,
    /// 1,000 executions with 10 children, or 10 steps, one after the other; and one execution with 1,000 children
    Steps,
    /// One execution with 10,000 children at once
    Fanout,
    /// A drain, and a fan-out, by one, two and four worker processes
    Processes,
    /// From dispatch until the body starts in another process
    Elsewhere,
    /// What an idle worker process costs
    Idle,
    /// Transactions, statements and written bytes of each workload, which the machine's load does not change
    Costs,
    /// A drain, and a call, beside a million tasks that wait for a full limit, and without them
    Backlog,
    /// The same beside a million tasks that sleep, and a million that have ended
    Growth,
}

impl Workload {
    pub(crate) const ALL: [Self; 12] = [
        Self::Store,
        Self::Dispatch,
        Self::Drain,
        Self::Latency,
        Self::Steps,
        Self::Fanout,
        Self::Processes,
        Self::Elsewhere,
        Self::Idle,
        Self::Costs,
        Self::Backlog,
        Self::Growth,
    ];

    /// What peers do too.
    pub(crate) const OF_PEERS: [Self; 4] =
        [Self::Dispatch, Self::Drain, Self::Latency, Self::Steps];

    /// Which batch sizes of the limit it is compared with.
    pub(crate) const fn limit(self) -> Batches {
        match self {
            Self::Store => Batches::All,
            Self::Drain | Self::Fanout => Batches::Large,
            Self::Latency => Batches::Single,
            Self::Dispatch | Self::Steps => Batches::SingleAndLarge,
            // They have limits of their own, or none.
            Self::Processes
            | Self::Elsewhere
            | Self::Idle
            | Self::Costs
            | Self::Backlog
            | Self::Growth => Batches::None,
        }
    }

    /// Whether all rounds are done by running it once: what it counts does not vary, or what it fills takes long.
    pub(crate) const fn is_once(self) -> bool {
        match self {
            Self::Idle | Self::Costs | Self::Backlog | Self::Growth => true,
            Self::Store
            | Self::Dispatch
            | Self::Drain
            | Self::Latency
            | Self::Steps
            | Self::Fanout
            | Self::Processes
            | Self::Elsewhere => false,
        }
    }

    /// Measures it once.
    pub(crate) async fn run(
        self,
        store: StoreKind,
        options: &Options,
        limit: &Limit,
    ) -> Result<Vec<Sample>> {
        match self {
            Self::Store => store::run(store, options, limit).await,
            Self::Dispatch => dispatch::run(store, options, limit).await,
            Self::Drain => drain::run(store, options, limit).await,
            Self::Latency => latency::run(store, options, limit).await,
            Self::Steps => steps::run(store, options, limit).await,
            Self::Fanout => fanout::run(store, options, limit).await,
            Self::Processes => processes::run(store, options).await,
            Self::Elsewhere => elsewhere::run(store, options).await,
            Self::Idle => idle::run(store, options).await,
            Self::Costs => costs::run(store, options).await,
            Self::Backlog => backlog::backlog(store, options).await,
            Self::Growth => backlog::growth(store, options).await,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store => "store",
            Self::Dispatch => "dispatch",
            Self::Drain => "drain",
            Self::Latency => "latency",
            Self::Steps => "steps",
            Self::Fanout => "fanout",
            Self::Processes => "processes",
            Self::Elsewhere => "elsewhere",
            Self::Idle => "idle",
            Self::Costs => "costs",
            Self::Backlog => "backlog",
            Self::Growth => "growth",
        })
    }
}

/// How long a workload may go without any task of it ending before something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker did with what was waiting for it.
struct Ran {
    took: Duration,
    /// Transactions of the store meanwhile.
    commits: Option<u64>,
}

/// Starts a worker on what waits in a store, and stops it when so many tasks have ended: all that there are.
async fn work_off(opened: &Opened, tasks: usize) -> Result<Ran> {
    let worker = opened.client().worker();
    work_beside(opened, worker.register(plain()), tasks, 0).await
}

/// As [`work_off`], by a worker of one's own, beside so many other tasks that do not end.
async fn work_beside(
    opened: &Opened,
    worker: WorkerBuilder,
    tasks: usize,
    others: usize,
) -> Result<Ran> {
    let commits = opened.commits();
    let began = now();
    let worker = worker.drain_grace(Duration::ZERO).start().await?;
    until_ended(&worker, tasks).await?;
    let took = began.elapsed();
    let commits = opened
        .commits()
        .zip(commits)
        .map(|(after, before)| after.saturating_sub(before));
    worker.drain().await?;
    check_completed(opened, tasks, others).await?;
    Ok(Ran { took, commits })
}

async fn until_ended(worker: &Worker, tasks: usize) -> Result {
    let tasks = u64::try_from(tasks)?;
    let (mut last, mut since) = (0, now());
    loop {
        let ended = worker.stats().ended;
        if ended >= tasks {
            return Ok(());
        }
        if ended > last {
            (last, since) = (ended, now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!("{ended} of {tasks} tasks ended, and no further one").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Makes sure that nothing is left but the others, and nothing failed.
async fn check_completed(opened: &Opened, tasks: usize, others: usize) -> Result {
    let functions = opened.store.functions().await?;
    let left: u64 = functions
        .iter()
        .map(|function| {
            function.counts.pending + function.counts.running + function.counts.suspended
        })
        .sum();
    let dead = opened
        .client()
        .dead_letters(ExecutionQuery::default())
        .await?
        .executions
        .len();
    if left == u64::try_from(others)? && dead == 0 {
        Ok(())
    } else {
        Err(format!(
            "of {tasks} tasks beside {others} others {left} are left, and {dead} executions failed"
        )
        .into())
    }
}

/// Transactions per thing that was counted.
fn per(commits: Option<u64>, count: usize) -> Option<f64> {
    commits.map(|commits| commits as f64 / crate::measure::number(count))
}
