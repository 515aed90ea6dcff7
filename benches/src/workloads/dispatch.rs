//! Calls made durable, without anyone to run them.

use crate::{
    Result,
    functions::noop,
    limit::Limit,
    measure::{Sample, Unit, now, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::per,
};
use futures_util::future::try_join_all;

/// How calls come.
struct Way {
    workload: &'static str,
    tasks: usize,
    callers: usize,
    limit: f64,
    limit_is: &'static str,
}

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let single = limit.single().insert;
    let one = |workload, tasks, callers| Way {
        workload,
        tasks,
        callers,
        limit: single,
        limit_is: "insert by 1",
    };
    Ok(vec![
        one_by_one(store, options, &one("dispatch_one_by_one", 2_000, 1)).await?,
        one_by_one(store, options, &one("dispatch_32_at_once", 32_000, 32)).await?,
        in_bulk(store, options, limit).await?,
    ])
}

/// Each caller dispatches one call after the other.
async fn one_by_one(store: StoreKind, options: &Options, way: &Way) -> Result<Sample> {
    let opened = Opened::new(store, options).await?;
    let each = options.scaled(way.tasks) / way.callers;
    let tasks = each * way.callers;
    let commits = opened.commits();
    let began = now();
    let callers = (0..way.callers).map(|_| {
        let stent = opened.client();
        tokio::spawn(async move {
            for number in 0..each {
                stent.dispatch(noop(number as u64)).await?;
            }
            Ok::<_, stent::Error>(())
        })
    });
    for caller in try_join_all(callers).await? {
        caller?;
    }
    let took = began.elapsed();
    let commits = opened
        .commits()
        .zip(commits)
        .map(|(after, before)| after - before);
    check(&opened, tasks).await?;
    let sample = Sample::beside(
        way.workload,
        rate(tasks, took),
        Unit::TasksPerSecond,
        way.limit,
        way.limit_is,
    );
    Ok(sample.by_commits(per(commits, tasks)))
}

async fn in_bulk(store: StoreKind, options: &Options, limit: &Limit) -> Result<Sample> {
    let opened = Opened::new(store, options).await?;
    let tasks = options.scaled(100_000);
    let stent = opened.client();
    let commits = opened.commits();
    let began = now();
    stent
        .dispatch_all((0..u64::try_from(tasks)?).map(noop))
        .await?;
    let took = began.elapsed();
    let commits = opened
        .commits()
        .zip(commits)
        .map(|(after, before)| after - before);
    check(&opened, tasks).await?;
    let sample = Sample::beside(
        "dispatch_in_bulk",
        rate(tasks, took),
        Unit::TasksPerSecond,
        limit.bulk().insert,
        "insert by 1000",
    );
    Ok(sample.by_commits(per(commits, tasks)))
}

/// Makes sure that every call is in the store.
async fn check(opened: &Opened, tasks: usize) -> Result {
    let functions = opened.store.functions().await?;
    let pending: u64 = functions
        .iter()
        .map(|function| function.counts.pending)
        .sum();
    if pending == u64::try_from(tasks)? {
        Ok(())
    } else {
        Err(format!("{pending} of {tasks} dispatched tasks are in the store").into())
    }
}
