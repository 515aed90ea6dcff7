//! What each workload costs in transactions, statements and written bytes, which the load of a machine does not change.
//!
//! Bytes are those of the server's write-ahead log, or those that this process writes where the database is a file. The limit is what hand-written
//! SQL writes for the same work.

use crate::{
    Result,
    counts::{Counter, Counts},
    functions::{call_in_sequence, fan_out, noop, step_in_sequence},
    limit::{postgres, sqlite},
    measure::{Sample, Unit},
    options::Options,
    stores::{Address, Opened, StoreKind},
    workloads::work_off,
};

const SINGLE: usize = 300;
const MANY: usize = 10_000;
const EACH: usize = 10;
const BATCH: usize = 1_000;

/// Bytes that hand-written SQL writes for each task.
struct Limit {
    insert: f64,
    drain: f64,
}

/// What is done, and what of it counts.
struct Work {
    workload: &'static str,
    calls: Calls,
    /// Whether they are worked off, rather than dispatched.
    is_run: bool,
}

/// What is called.
#[derive(Clone, Copy)]
enum Calls {
    OneByOne(usize),
    AtOnce(usize),
    Children { executions: usize, each: usize },
    Steps { executions: usize, each: usize },
    FanOut(usize),
}

const fn work(workload: &'static str, calls: Calls, is_run: bool) -> Work {
    Work {
        workload,
        calls,
        is_run,
    }
}

pub(super) async fn run(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    if store == StoreKind::Memory {
        return Ok(Vec::new());
    }
    let single = limit(store, options, options.scaled(SINGLE), 1).await?;
    let many = limit(store, options, options.scaled(MANY), BATCH).await?;
    let whole = many.insert + many.drain;
    let executions = options.scaled(MANY / EACH);
    let (some, lots) = (options.scaled(SINGLE), options.scaled(MANY));
    let alone = Calls::Children {
        executions: 1,
        each: some,
    };
    let children = Calls::Children {
        executions,
        each: EACH,
    };
    let steps = Calls::Steps {
        executions,
        each: EACH,
    };
    let each_is = "bytes that inserts, claims and completions by 1000 write";
    let all = [
        (
            work("cost_dispatch_one_by_one", Calls::OneByOne(some), false),
            single.insert,
            "bytes that inserts by 1 write",
        ),
        (
            work("cost_dispatch_in_bulk", Calls::AtOnce(lots), false),
            many.insert,
            "bytes that inserts by 1000 write",
        ),
        (
            work("cost_drain", Calls::AtOnce(lots), true),
            many.drain,
            "bytes that claims and completions by 1000 write",
        ),
        (work("cost_children_of_one", alone, true), whole, each_is),
        (
            work("cost_sequential_children", children, true),
            whole,
            each_is,
        ),
        (
            work("cost_sequential_steps", steps, true),
            many.insert,
            "bytes that inserts by 1000 write",
        ),
        (
            work("cost_fanout", Calls::FanOut(lots), true),
            whole,
            each_is,
        ),
    ];
    let mut samples = Vec::new();
    for (work, limit, limit_is) in all {
        let (counts, count) = cost(store, options, &work).await?;
        let each = |counted: u64| counted as f64 / count as f64;
        let value = each(counts.written_bytes);
        let sample = Sample::beside(work.workload, value, Unit::BytesEach, limit, limit_is)
            .by_commits(counts.commits.map(each));
        samples.push(Sample {
            statements_per_unit: counts.statements.map(each),
            ..sample
        });
    }
    Ok(samples)
}

/// What some work costs, and how many things it did.
async fn cost(store: StoreKind, options: &Options, work: &Work) -> Result<(Counts, usize)> {
    let opened = Opened::counted(store, options).await?;
    let before = opened.counts().await?;
    let (count, tasks) = dispatch(&opened, work.calls).await?;
    if !work.is_run {
        return Ok((opened.counts().await?.since(before), count));
    }
    let before = opened.counts().await?;
    work_off(&opened, tasks).await?;
    Ok((opened.counts().await?.since(before), count))
}

/// Dispatches calls; how many things they do, and how many tasks they make.
async fn dispatch(opened: &Opened, calls: Calls) -> Result<(usize, usize)> {
    let stent = opened.client();
    match calls {
        Calls::OneByOne(count) => {
            for number in 0..count {
                stent.dispatch(noop(number as u64)).await?;
            }
            Ok((count, count))
        }
        Calls::AtOnce(count) => {
            stent.dispatch_all((0..count as u64).map(noop)).await?;
            Ok((count, count))
        }
        Calls::Children { executions, each } => {
            let calls = (0..executions).map(|_| call_in_sequence(each as u64));
            stent.dispatch_all(calls).await?;
            Ok((executions * each, executions * (each + 1)))
        }
        Calls::Steps { executions, each } => {
            let calls = (0..executions).map(|_| step_in_sequence(each as u64));
            stent.dispatch_all(calls).await?;
            Ok((executions * each, executions))
        }
        Calls::FanOut(children) => {
            stent.dispatch(fan_out(children as u64)).await?;
            Ok((children, children + 1))
        }
    }
}

async fn limit(store: StoreKind, options: &Options, tasks: usize, batch: usize) -> Result<Limit> {
    let rounds = tasks.div_ceil(batch);
    let place = Address::new(store, options)?.ok_or("this store has no address")?;
    let (address, _folder) = &place;
    let counter = Counter::new(address).await?;
    let (start, made, ended) = match address {
        Address::Postgres { url } => {
            let client = postgres::create(url).await?;
            let start = counter.read().await?;
            postgres::insert(&client, batch, rounds).await?;
            let made = counter.read().await?;
            let worker = postgres::Worker::new(&client, batch).await?;
            for _ in 0..rounds {
                worker.complete(&worker.claim().await?).await?;
            }
            (start, made, counter.read().await?)
        }
        Address::Sqlite { path, normal } => {
            let connection = sqlite::create(path, *normal)?;
            let start = counter.read().await?;
            sqlite::insert(&connection, batch, rounds)?;
            let made = counter.read().await?;
            for _ in 0..rounds {
                sqlite::work_off(&connection, batch)?;
            }
            (start, made, counter.read().await?)
        }
    };
    let each = |counts: Counts| counts.written_bytes as f64 / (rounds * batch) as f64;
    Ok(Limit {
        insert: each(made.since(start)),
        drain: each(ended.since(made)),
    })
}
