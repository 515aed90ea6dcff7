//! What others cost that are none of a function's business: its drain, and how soon a call of it starts, beside a million tasks that wait for a
//! full limit, that sleep, or that have ended, each alone.
//!
//! Two stores are made once, one with the others and one without, and then measured in turn; that without is the limit. The worker is the same
//! beside both: it has the limited function, too.

use stent::{Call, Durable, prelude::*};

use crate::{
    Result,
    functions::{hold, noop, probe},
    measure::{Sample, Unit, quantile, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::{latency, per, work_beside},
};

const TASKS: usize = 50_000;
const CALLS: usize = 200;

/// What else is in the store.
#[derive(Clone, Copy)]
enum Others {
    BehindLimit,
    Sleeping,
    Ended,
    TenTimesEnded,
}

impl Others {
    fn count(self, options: &Options) -> usize {
        match self {
            Self::BehindLimit | Self::Sleeping | Self::Ended => options.others(),
            Self::TenTimesEnded => 10 * options.others(),
        }
    }

    /// How the drain, and the start of a call beside them, are called.
    const fn workloads(self) -> (&'static str, &'static str) {
        match self {
            Self::BehindLimit => ("drain_beside_limited", "start_beside_limited_p50"),
            Self::Sleeping => ("drain_beside_asleep", "start_beside_asleep_p50"),
            Self::Ended => ("drain_beside_ended", "start_beside_ended_p50"),
            Self::TenTimesEnded => ("drain_beside_10m_ended", "start_beside_10m_ended_p50"),
        }
    }

    /// How many of so many never end.
    const fn stay(self, count: usize) -> usize {
        match self {
            Self::BehindLimit | Self::Sleeping => count,
            Self::Ended | Self::TenTimesEnded => 0,
        }
    }
}

/// Tasks that wait for a full limit.
pub(super) async fn backlog(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    beside(store, options, Others::BehindLimit).await
}

/// Tasks that sleep, and those that have ended.
pub(super) async fn growth(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    let mut samples = beside(store, options, Others::Sleeping).await?;
    samples.append(&mut beside(store, options, Others::Ended).await?);
    if options.long {
        samples.append(&mut beside(store, options, Others::TenTimesEnded).await?);
    }
    Ok(samples)
}

async fn beside(store: StoreKind, options: &Options, others: Others) -> Result<Vec<Sample>> {
    let count = options.scaled(others.count(options));
    let without = Opened::new(store, options).await?;
    let with = Opened::new(store, options).await?;
    fill(&with, others, count).await?;
    let (drain, start) = others.workloads();
    let mut samples = Vec::new();
    for _ in 0..options.rounds() {
        let (limit, _) = drained(&without, options, 0).await?;
        let (value, commits) = drained(&with, options, others.stay(count)).await?;
        let limit_is = "the same beside none";
        samples.push(
            Sample::beside(drain, value, Unit::TasksPerSecond, limit, limit_is).by_commits(commits),
        );
        let limit = start_takes(&without, options).await?;
        let value = start_takes(&with, options).await?;
        samples.push(Sample::beside(
            start,
            value,
            Unit::Milliseconds,
            limit,
            limit_is,
        ));
    }
    Ok(samples)
}

/// Puts the others into a store.
async fn fill(opened: &Opened, others: Others, count: usize) -> Result {
    match others {
        Others::BehindLimit => dispatch(opened, count, hold).await,
        Others::Sleeping => dispatch(opened, count, |number| noop(number).delay("1 day")).await,
        Others::Ended | Others::TenTimesEnded => {
            dispatch(opened, count, noop).await?;
            work_beside(opened, worker(opened), count, 0).await?;
            Ok(())
        }
    }
}

/// The rate of a drain beside so many that stay, and its commits for each task.
async fn drained(opened: &Opened, options: &Options, stay: usize) -> Result<(f64, Option<f64>)> {
    let tasks = options.scaled(TASKS);
    dispatch(opened, tasks, noop).await?;
    let ran = work_beside(opened, worker(opened), tasks, stay).await?;
    Ok((rate(tasks, ran.took), per(ran.commits, tasks)))
}

/// The milliseconds within which half of the bodies start.
async fn start_takes(opened: &Opened, options: &Options) -> Result<f64> {
    let worker = opened.client().worker().register(functions![probe, hold]);
    let (starts, _) = latency::measure(opened, worker, options.scaled(CALLS)).await?;
    Ok(quantile(&starts, 0.5))
}

fn worker(opened: &Opened) -> WorkerBuilder {
    opened.client().worker().register(functions![noop, hold])
}

async fn dispatch<D: Durable>(
    opened: &Opened,
    count: usize,
    call: impl Fn(u64) -> Call<D>,
) -> Result {
    let calls = (0..u64::try_from(count)?).map(call);
    opened.client().dispatch_all(calls).await?;
    Ok(())
}
