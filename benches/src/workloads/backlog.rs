//! What a drain costs beside tasks that are none of its business: that have ended, sleep, or wait for a full limit.
//!
//! Each is measured alone, in a store of its own, and beside the same drain without them, which is the limit here. The worker has a limited
//! function in all of them.

use stent::{Call, Durable, prelude::*};

use crate::{
    Result,
    functions::{hold, noop},
    measure::{Sample, Unit, rate},
    options::Options,
    stores::{Opened, StoreKind},
    workloads::{Ran, per, work_beside},
};

const TASKS: usize = 50_000;

/// What else is in the store.
#[derive(Clone, Copy)]
enum Others {
    None,
    Ended,
    Sleeping,
    BehindLimit,
}

pub(super) async fn run(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut without = None;
    for (others, workload) in [
        (Others::None, "drain_beside_none"),
        (Others::Ended, "drain_beside_ended"),
        (Others::Sleeping, "drain_beside_asleep"),
        (Others::BehindLimit, "drain_beside_limited"),
    ] {
        let tasks = options.scaled(TASKS);
        let ran = drain(store, options, others, tasks).await?;
        let value = rate(tasks, ran.took);
        samples.push(Sample {
            workload,
            value,
            unit: Unit::TasksPerSecond,
            limit: *without.get_or_insert(value),
            limit_is: "the same beside none",
            commits_per_unit: per(ran.commits, tasks),
        });
    }
    Ok(samples)
}

/// Drains so many tasks beside the others.
async fn drain(store: StoreKind, options: &Options, others: Others, tasks: usize) -> Result<Ran> {
    let count = options.scaled(options.others());
    let opened = Opened::new(store, options).await?;
    let stay = match others {
        Others::None => 0,
        Others::Ended => {
            dispatch(&opened, count, noop).await?;
            work_beside(&opened, worker(&opened), count, 0).await?;
            0
        }
        Others::Sleeping => {
            dispatch(&opened, count, |number| noop(number).delay("1 day")).await?;
            count
        }
        Others::BehindLimit => {
            dispatch(&opened, count, hold).await?;
            count
        }
    };
    dispatch(&opened, tasks, noop).await?;
    work_beside(&opened, worker(&opened), tasks, stay).await
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
