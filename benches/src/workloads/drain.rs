//! Waiting tasks that do nothing, until all have ended.

use crate::{
    Result,
    functions::noop,
    limit::Limit,
    measure::{Sample, Unit, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::{per, work_off},
};

pub(super) const TASKS: usize = 100_000;

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let tasks = options.scaled(TASKS);
    let opened = Opened::new(store, options).await?;
    let calls = (0..u64::try_from(tasks)?).map(noop);
    opened.client().dispatch_all(calls).await?;
    let ran = work_off(&opened, tasks).await?;
    let sample = Sample::beside(
        "drain",
        rate(tasks, ran.took),
        Unit::TasksPerSecond,
        limit.bulk().drain(),
        "claim and complete by 1000",
    );
    Ok(vec![sample.by_commits(per(ran.commits, tasks))])
}
