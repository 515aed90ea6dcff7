//! An idle worker: how long from dispatch until the body starts, and until the result is seen, one call at a time.

use std::{sync::Arc, time::Duration};

use stent::prelude::*;

use crate::{
    Result,
    functions::{Started, probe},
    limit::Limit,
    measure::{Sample, Unit, milliseconds, now, quantile},
    options::Options,
    stores::{Opened, StoreKind},
};

const CALLS: usize = 1_000;
/// Between two calls, so that everything is idle when one comes.
const PAUSE: Duration = Duration::from_millis(3);

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let opened = Opened::new(store, options).await?;
    let worker = opened.client().worker().register(functions![probe]);
    let (starts, results) = measure(&opened, worker, options.scaled(CALLS)).await?;
    let sample = |workload, values: &[f64], fraction, limit, limit_is| {
        let value = quantile(values, fraction);
        Sample::beside(workload, value, Unit::Milliseconds, limit, limit_is)
    };
    let insert = |workload, fraction| {
        let limit = limit.insert_takes(fraction);
        sample(workload, &starts, fraction, limit, "insert by 1")
    };
    let whole = |workload, fraction| {
        let limit = limit.task_takes(fraction);
        let limit_is = "insert, claim and complete by 1";
        sample(workload, &results, fraction, limit, limit_is)
    };
    Ok(vec![
        insert("latency_start_p50", 0.5),
        insert("latency_start_p99", 0.99),
        whole("latency_result_p50", 0.5),
        whole("latency_result_p99", 0.99),
    ])
}

/// Starts a worker that has [`probe()`], and calls that; the milliseconds until each body started, and until each result was seen.
pub(super) async fn measure(
    opened: &Opened,
    worker: WorkerBuilder,
    calls: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let stent = opened.client();
    let started = Arc::new(Started::default());
    let worker = worker
        .state(Arc::clone(&started))
        .drain_grace(Duration::ZERO)
        .start()
        .await?;
    let (mut starts, mut results) = (Vec::new(), Vec::new());
    for number in 0..calls {
        tokio::time::sleep(PAUSE).await;
        let began = now();
        stent.run(probe(number as u64)).await?;
        results.push(milliseconds(began.elapsed()));
        let body = started.take().ok_or("a result came without a body")?;
        starts.push(milliseconds(body - began));
    }
    worker.drain().await?;
    Ok((starts, results))
}
