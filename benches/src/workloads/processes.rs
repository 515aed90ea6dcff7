//! Workers in processes of their own: a drain by one, two and four of them, how long from a dispatch here until the body starts there, and what an
//! idle one costs.

use std::{fs, time::Duration};

use crate::{
    Result,
    functions::{noop, tell},
    limit::Limit,
    measure::{Sample, Unit, milliseconds, now, quantile, rate},
    options::Options,
    processes::{Said, WorkerProcess},
    stores::{Opened, StoreKind},
    workloads::check_completed,
};

const TASKS: usize = 100_000;
const CALLS: usize = 500;
/// Between two calls, so that everything is idle when one comes.
const PAUSE: Duration = Duration::from_millis(5);
/// How long an idle worker is looked at, in hundredths of a second.
const IDLE_CENTISECONDS: usize = 500;
/// What the kernel counts processor time in, on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    // What one process holds in memory, no other sees.
    if store == StoreKind::Memory {
        return Ok(Vec::new());
    }
    let mut samples = Vec::new();
    for (workers, workload) in [
        (1, "drain_by_1_process"),
        (2, "drain_by_2_processes"),
        (4, "drain_by_4_processes"),
    ] {
        samples.push(drain(store, options, limit, workers, workload).await?);
    }
    samples.extend(latency(store, options, limit).await?);
    samples.extend(idle(store, options).await?);
    Ok(samples)
}

async fn drain(
    store: StoreKind,
    options: &Options,
    limit: &Limit,
    workers: usize,
    workload: &'static str,
) -> Result<Sample> {
    let tasks = options.scaled(TASKS);
    let opened = Opened::new(store, options).await?;
    let calls = (0..u64::try_from(tasks)?).map(noop);
    opened.client().dispatch_all(calls).await?;
    let url = opened.url()?;
    let mut fleet = (0..workers)
        .map(|_| WorkerProcess::start(url))
        .collect::<Result<Vec<_>>>()?;
    let began = now();
    for worker in &mut fleet {
        worker.go()?;
    }
    let took = tokio::task::spawn_blocking(move || -> Result<Duration> {
        let mut ended = vec![0; fleet.len()];
        while ended.iter().sum::<u64>() < tasks as u64 {
            for (worker, ended) in fleet.iter_mut().zip(&mut ended) {
                while let Some(said) = worker.next_within(Duration::from_millis(1))? {
                    if let Said::Ended(count) = said {
                        *ended = count;
                    }
                }
            }
        }
        let took = began.elapsed();
        fleet.into_iter().try_for_each(WorkerProcess::end)?;
        Ok(took)
    })
    .await??;
    check_completed(&opened, tasks, 0).await?;
    Ok(Sample {
        workload,
        value: rate(tasks, took),
        unit: Unit::TasksPerSecond,
        limit: limit.bulk().drain(),
        limit_is: "claim and complete by 1000",
        commits_per_unit: None,
    })
}

async fn latency(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let opened = Opened::new(store, options).await?;
    let stent = opened.client();
    let mut worker = WorkerProcess::start(opened.url()?)?;
    worker.go()?;
    let mut starts = Vec::new();
    for number in 0..options.scaled(CALLS) {
        tokio::time::sleep(PAUSE).await;
        let began = now();
        stent.dispatch(tell(number as u64)).await?;
        loop {
            let (at, said) = worker.next()?;
            if said == Said::Began {
                starts.push(milliseconds(at - began));
                break;
            }
        }
    }
    worker.end()?;
    let sample = |workload, fraction| Sample {
        workload,
        value: quantile(&starts, fraction),
        unit: Unit::Milliseconds,
        limit: limit.insert_takes(fraction),
        limit_is: "insert by 1",
        commits_per_unit: None,
    };
    Ok(vec![
        sample("latency_across_p50", 0.5),
        sample("latency_across_p99", 0.99),
    ])
}

async fn idle(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    let opened = Opened::new(store, options).await?;
    let mut worker = WorkerProcess::start(opened.url()?)?;
    worker.go()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Cost::of(worker.id())?;
    let began = now();
    let span = Duration::from_millis(10 * options.scaled(IDLE_CENTISECONDS) as u64);
    tokio::time::sleep(span).await;
    let after = Cost::of(worker.id())?;
    let seconds = began.elapsed().as_secs_f64();
    worker.end()?;
    let sample = |workload, value, unit| Sample {
        workload,
        value,
        unit,
        limit: f64::NAN,
        limit_is: "",
        commits_per_unit: None,
    };
    let ticks = (after.ticks - before.ticks) as f64;
    let processor = ticks / TICKS_PER_SECOND * 1_000.0 / seconds;
    let wakes = (after.wakes - before.wakes) as f64 / seconds;
    Ok(vec![
        sample("idle_processor", processor, Unit::MillisecondsPerSecond),
        sample("idle_wakes", wakes, Unit::PerSecond),
    ])
}

/// What a process has cost so far, by `/proc` (proc(5)).
#[derive(Debug)]
struct Cost {
    /// Processor time, of the user and the system.
    ticks: u64,
    /// How often one of its threads gave the processor up by itself: it was woken as often.
    wakes: u64,
}

impl Cost {
    fn of(process: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The second field is the program's name in brackets, which may hold blanks; the processor times are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(')').ok_or("an unknown form of `stat`")?;
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks = times
            .map(str::parse::<u64>)
            .sum::<std::result::Result<_, _>>()?;
        let mut wakes = 0;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .ok_or("an unknown form of `status`")?;
            wakes += line.trim().parse::<u64>()?;
        }
        Ok(Self { ticks, wakes })
    }
}
