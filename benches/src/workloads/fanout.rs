//! One execution with many children at once: all are made in few commits, and their parent waits for all.

use crate::{
    Result,
    functions::fan_out,
    limit::Limit,
    measure::{Sample, Unit, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::{per, work_off},
};

pub(super) const CHILDREN: usize = 10_000;

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let children = options.scaled(CHILDREN);
    let opened = Opened::new(store, options).await?;
    let call = fan_out(u64::try_from(children)?);
    opened.client().dispatch(call).await?;
    let ran = work_off(&opened, children + 1).await?;
    let sample = Sample::beside(
        "fanout",
        rate(children, ran.took),
        Unit::TasksPerSecond,
        limit.bulk().whole(),
        "insert, claim and complete by 1000",
    );
    Ok(vec![sample.by_commits(per(ran.commits, children))])
}
