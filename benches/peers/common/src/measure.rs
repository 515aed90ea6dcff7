//! The workloads, alike for all peers and as Stent's own are.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use crate::{
    Asked, CALLERS, Peer, Result, Workload, body,
    clock::{milliseconds, now, quantile, rate},
};

/// Steps of each execution.
const EACH: usize = 10;
/// Between two calls, so that everything is idle when one comes.
const PAUSE: Duration = Duration::from_millis(3);
/// How long calls are made one at a time: a peer that looks for work once a second would take minutes for all.
const LATENCY_MAX: Duration = Duration::from_secs(45);
/// How long bodies that have run may take to be recorded as ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found.
pub(crate) struct Figure {
    pub(crate) workload: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// How many were done for it.
    pub(crate) count: usize,
}

impl Figure {
    fn rate(workload: &'static str, count: usize, took: Duration) -> Vec<Self> {
        let unit = "tasks/s";
        let value = rate(count, took);
        vec![Self {
            workload,
            value,
            unit,
            count,
        }]
    }
}

pub(crate) async fn run<P: Peer>(asked: &Asked) -> Result<Vec<Figure>> {
    let peer = Arc::new(P::open(&asked.database).await?);
    match asked.workload {
        Workload::Drain => drain(&*peer, asked.count).await,
        Workload::DispatchInBulk => in_bulk(&*peer, asked.count).await,
        Workload::Dispatch32AtOnce => at_once(peer, asked.count).await,
        Workload::Latency => latency(&*peer, asked.count).await,
        Workload::Steps => steps(&*peer, asked.count).await,
    }
}

async fn drain(peer: &impl Peer, count: usize) -> Result<Vec<Figure>> {
    peer.dispatch_all(count).await?;
    check_dispatched(peer, count).await?;
    let began = now();
    peer.work(Workload::Drain).await?;
    body::started(count).await?;
    until_ended(peer).await?;
    let took = began.elapsed();
    check_ran(count)?;
    Ok(Figure::rate("drain", count, took))
}

async fn in_bulk(peer: &impl Peer, count: usize) -> Result<Vec<Figure>> {
    let began = now();
    peer.dispatch_all(count).await?;
    let took = began.elapsed();
    check_dispatched(peer, count).await?;
    Ok(Figure::rate("dispatch_in_bulk", count, took))
}

async fn at_once<P: Peer>(peer: Arc<P>, count: usize) -> Result<Vec<Figure>> {
    let each = count.div_ceil(CALLERS);
    let count = each * CALLERS;
    let began = now();
    dispatch_by_callers(&peer, each).await?;
    let took = began.elapsed();
    check_dispatched(&*peer, count).await?;
    Ok(Figure::rate("dispatch_32_at_once", count, took))
}

async fn dispatch_by_callers<P: Peer>(peer: &Arc<P>, each: usize) -> Result {
    let callers = (0..CALLERS).map(|_| {
        let peer = Arc::clone(peer);
        tokio::spawn(async move {
            for _ in 0..each {
                peer.dispatch().await?;
            }
            Ok(())
        })
    });
    try_join_all(callers).await?.into_iter().collect()
}

async fn latency(peer: &impl Peer, calls: usize) -> Result<Vec<Figure>> {
    peer.work(Workload::Latency).await?;
    // The first one finds connections to make and caches to fill.
    peer.dispatch().await?;
    body::started(1).await?;
    let mut starts = Vec::new();
    let all = now();
    while starts.len() < calls && all.elapsed() < LATENCY_MAX {
        tokio::time::sleep(PAUSE).await;
        starts.push(milliseconds(start(peer, starts.len() + 2).await?));
    }
    check_ran(starts.len() + 1)?;
    let figure = |workload, fraction| Figure {
        workload,
        value: quantile(&starts, fraction),
        unit: "ms",
        count: starts.len(),
    };
    Ok(vec![
        figure("latency_start_p50", 0.5),
        figure("latency_start_p99", 0.99),
    ])
}

/// Makes a call; how long its body took to start. `number` is the call's, counted from 1.
async fn start(peer: &impl Peer, number: usize) -> Result<Duration> {
    let began = now();
    peer.dispatch().await?;
    let started: Instant = body::started(number).await?;
    Ok(started.saturating_duration_since(began))
}

async fn steps(peer: &impl Peer, executions: usize) -> Result<Vec<Figure>> {
    peer.dispatch_steps(executions, EACH).await?;
    let began = now();
    peer.steps(executions, EACH).await?;
    let took = began.elapsed();
    check_ran(executions * EACH)?;
    Ok(vec![Figure {
        workload: "sequential_steps",
        value: rate(executions * EACH, took),
        unit: "steps/s",
        count: executions * EACH,
    }])
}

/// Bodies may run before their end is recorded, some peers gathering what has ended.
async fn until_ended(peer: &impl Peer) -> Result {
    let (mut least, mut since) = (usize::MAX, now());
    loop {
        let unfinished = peer.unfinished().await?;
        if unfinished == 0 {
            return Ok(());
        }
        if unfinished < least {
            (least, since) = (unfinished, now());
        } else if since.elapsed() > PATIENCE {
            return Err(format!("{unfinished} calls ran and did not end").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn check_dispatched(peer: &impl Peer, count: usize) -> Result {
    let found = peer.unfinished().await?;
    if found == count {
        Ok(())
    } else {
        Err(format!("{found} of {count} dispatched calls are in the database").into())
    }
}

/// Nothing failed or was lost, so nothing had a reason to run twice.
fn check_ran(count: usize) -> Result {
    let ran = body::count();
    if ran == count {
        Ok(())
    } else {
        Err(format!("{ran} bodies ran for {count}").into())
    }
}
