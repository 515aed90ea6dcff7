//! What a worker process costs that has nothing to do: processor time, wake-ups, statements.

use std::time::Duration;

use crate::{
    Result,
    counts::Counter,
    measure::{Sample, Unit},
    options::Options,
    parts::{Part, Told},
    processes::Process,
    stores::{Opened, StoreKind},
};

/// Until what a start causes is over.
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);

pub(super) async fn run(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    if store == StoreKind::Memory {
        return Ok(Vec::new());
    }
    let (settle, idle) = if options.quick {
        (Duration::from_millis(20), Duration::from_millis(100))
    } else {
        (SETTLE, IDLE)
    };
    let opened = Opened::new(store, options).await?;
    let address = opened.address.clone().ok_or("this store has no address")?;
    let counter = Counter::new(&address).await?;
    let mut process = Process::start(&Part::Start(address)).await?;
    process.tell(Told::Begin).await?;
    tokio::time::sleep(settle).await;
    let before = process.usage().await?;
    let counted = counter.read().await?;
    tokio::time::sleep(idle).await;
    let counted = counter.read().await?.since(counted);
    let after = process.usage().await?;
    let per_second = |count: u64| count as f64 / idle.as_secs_f64();
    let cpu = per_second(u64::try_from(after.cpu_ns - before.cpu_ns)?) / 1e7;
    let why_alone = "an idle limit is no process at all";
    let mut samples = vec![
        Sample::alone("idle_cpu", cpu, Unit::Percent, why_alone),
        Sample::alone(
            "idle_wake_ups",
            per_second(after.wake_ups - before.wake_ups),
            Unit::EachSecond,
            why_alone,
        ),
    ];
    let rates = [
        ("idle_statements", counted.statements),
        ("idle_transactions", counted.commits),
    ];
    for (workload, count) in rates {
        samples.extend(count.map(|count| {
            let value = per_second(count);
            Sample::alone(workload, value, Unit::EachSecond, why_alone)
        }));
    }
    process.end().await?;
    Ok(samples)
}
