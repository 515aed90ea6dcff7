//! Many executions at once, each with ten things to do one after the other: children, or steps in place. And one execution alone, with nobody to
//! share its commits with.

use crate::{
    Result,
    functions::{call_in_sequence, step_in_sequence},
    limit::Limit,
    measure::{Sample, Unit, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::{per, work_off},
};

const EXECUTIONS: usize = 1_000;
const EACH: usize = 10;
/// Children of an execution that is alone.
const ALONE: usize = 1_000;

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    Ok(vec![
        alone(store, options, limit).await?,
        children(store, options, limit).await?,
        steps(store, options, limit).await?,
    ])
}

async fn alone(store: StoreKind, options: &Options, limit: &Limit) -> Result<Sample> {
    let children = options.scaled(ALONE);
    let opened = Opened::new(store, options).await?;
    let call = call_in_sequence(u64::try_from(children)?);
    opened.client().dispatch(call).await?;
    let ran = work_off(&opened, children + 1).await?;
    let sample = Sample::beside(
        "children_of_one",
        rate(children, ran.took),
        Unit::TasksPerSecond,
        limit.single().insert,
        "insert by 1",
    );
    Ok(sample.by_commits(per(ran.commits, children)))
}

async fn children(store: StoreKind, options: &Options, limit: &Limit) -> Result<Sample> {
    let executions = options.scaled(EXECUTIONS);
    let opened = Opened::new(store, options).await?;
    let calls = (0..executions).map(|_| call_in_sequence(EACH as u64));
    opened.client().dispatch_all(calls).await?;
    let ran = work_off(&opened, executions * (EACH + 1)).await?;
    let sample = Sample::beside(
        "sequential_children",
        rate(executions * EACH, ran.took),
        Unit::TasksPerSecond,
        limit.bulk().whole(),
        "insert, claim and complete by 1000",
    );
    Ok(sample.by_commits(per(ran.commits, executions * EACH)))
}

async fn steps(store: StoreKind, options: &Options, limit: &Limit) -> Result<Sample> {
    let executions = options.scaled(EXECUTIONS);
    let opened = Opened::new(store, options).await?;
    let calls = (0..executions).map(|_| step_in_sequence(EACH as u64));
    opened.client().dispatch_all(calls).await?;
    let ran = work_off(&opened, executions).await?;
    let sample = Sample::beside(
        "sequential_steps",
        rate(executions * EACH, ran.took),
        Unit::StepsPerSecond,
        limit.bulk().insert,
        "insert by 1000",
    );
    Ok(sample.by_commits(per(ran.commits, executions * EACH)))
}
