//! Waiting tasks that do nothing, worked off by one, two and four worker processes; and one execution's children by as many.
//!
//! The limit is drained by as many processes, on Postgres each by one connection or by two, whichever is faster: more are slower, because each
//! passes over what the others have locked.

use crate::{
    Result,
    functions::{fan_out, noop},
    limit::{postgres, sqlite},
    measure::{Sample, Unit, number, rate},
    options::Options,
    parts::Part,
    processes::{self, Process},
    stores::{Opened, PostgresServer, StoreKind},
    workloads::{check_completed, drain, fanout},
};

/// Numbers of processes, with what is said of them.
const PROCESSES: [(usize, &str, &str); 3] = [
    (1, "drain_by_1_process", "fanout_by_1_process"),
    (2, "drain_by_2_processes", "fanout_by_2_processes"),
    (4, "drain_by_4_processes", "fanout_by_4_processes"),
];

pub(super) async fn run(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    if store == StoreKind::Memory {
        return Ok(Vec::new());
    }
    let (tasks, children) = (
        options.scaled(drain::TASKS),
        options.scaled(fanout::CHILDREN),
    );
    let (mut drains, mut fanouts, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for (count, drain, fanout) in PROCESSES {
        let limit = match store {
            StoreKind::Postgres => {
                let one = limit_on_postgres(count, 1, tasks).await?;
                one.max(limit_on_postgres(count, 2, tasks).await?)
            }
            StoreKind::Memory | StoreKind::Sqlite => limit_on_sqlite(count, tasks, options).await?,
        };
        let limit_is = "claim and complete by 1000, by as many processes";
        let (value, peak) = drained(store, options, count, tasks).await?;
        let sample = |workload, value| {
            Sample::beside(workload, value, Unit::TasksPerSecond, limit, limit_is)
        };
        drains.push(sample(drain, value));
        fanouts.push(sample(
            fanout,
            fanned_out(store, options, count, children).await?,
        ));
        peaks.push(peak);
    }
    let peak = peaks.into_iter().next().unwrap_or_default();
    drains.append(&mut fanouts);
    drains.push(Sample::alone(
        "worker_memory",
        peak,
        Unit::Megabytes,
        "the most that one process had while it drained",
    ));
    Ok(drains)
}

/// The rate at which worker processes end tasks, and the most megabytes that one of them had.
async fn drained(
    store: StoreKind,
    options: &Options,
    count: usize,
    tasks: usize,
) -> Result<(f64, f64)> {
    let opened = Opened::new(store, options).await?;
    let calls = (0..u64::try_from(tasks)?).map(noop);
    opened.client().dispatch_all(calls).await?;
    worked_off(&opened, count, tasks, tasks).await
}

async fn fanned_out(
    store: StoreKind,
    options: &Options,
    count: usize,
    children: usize,
) -> Result<f64> {
    let opened = Opened::new(store, options).await?;
    let call = fan_out(u64::try_from(children)?);
    opened.client().dispatch(call).await?;
    let (rate, _) = worked_off(&opened, count, children + 1, children).await?;
    Ok(rate)
}

/// Lets worker processes end so many tasks; how many of those that count that were a second, and the most megabytes that one of them had.
async fn worked_off(
    opened: &Opened,
    count: usize,
    tasks: usize,
    counted: usize,
) -> Result<(f64, f64)> {
    let address = opened.address.clone().ok_or("this store has no address")?;
    let workers = start(&Part::Work(address), count).await?;
    let (took, peak_kb) = processes::drain(workers, tasks).await?;
    check_completed(opened, tasks, 0).await?;
    let peak = number(usize::try_from(peak_kb)?) / 1_024.0;
    Ok((rate(counted, took), peak))
}

async fn start(part: &Part, count: usize) -> Result<Vec<Process>> {
    let mut started = Vec::with_capacity(count);
    for _ in 0..count {
        started.push(Process::start(part).await?);
    }
    Ok(started)
}

async fn limit_on_postgres(count: usize, connections: usize, tasks: usize) -> Result<f64> {
    let url = PostgresServer::running()?.database()?;
    let client = postgres::create(&url).await?;
    postgres::insert(&client, tasks, 1).await?;
    let workers = start(&Part::PostgresDrain { url, connections }, count).await?;
    let (took, _) = processes::drain(workers, tasks).await?;
    Ok(rate(tasks, took))
}

async fn limit_on_sqlite(count: usize, tasks: usize, options: &Options) -> Result<f64> {
    let folder = options.temporary()?;
    let (path, normal) = (folder.path().join("limit.db"), options.is_normal());
    sqlite::insert(&sqlite::create(&path, normal)?, tasks, 1)?;
    let workers = start(&Part::SqliteDrain { path, normal }, count).await?;
    let (took, _) = processes::drain(workers, tasks).await?;
    Ok(rate(tasks, took))
}
