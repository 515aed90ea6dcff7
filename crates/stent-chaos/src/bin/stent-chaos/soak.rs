//! High load for a long time, with cleanup: whatever a worker, a client and a database use must stay what it is.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use clap::Args;
use stent::prelude::*;
use stent_chaos::{
    history::now,
    soak::{Samples, Series, of_process, plot},
};
use stent_test_postgres::Cluster;

use crate::{
    chaos::Kind,
    options::{minutes, say},
    storm::{Role, Storm},
    worker::{Orders, open, read_orders, told_to_end},
};

/// Executions that are under way at a time: enough that the worker always has work.
const CALLERS: u64 = 512;
/// How long what has ended is kept: short, so that as much is cleaned up as is made from the beginning.
const RETENTION: Duration = Duration::from_secs(20);
/// How often is cleaned up.
const CLEANUP: Duration = Duration::from_secs(2);
/// How often is measured.
const SAMPLE: Duration = Duration::from_secs(5);
/// Samples after which the progress is told.
const TOLD: u64 = 60;
/// Every so many executions one sleeps for so long, and is suspended.
const SLEEPERS: (u64, Duration) = (64, Duration::from_secs(8));

/// What to load, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The store
    #[arg(long)]
    store: Kind,
    /// How long it lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 60.0, value_parser = minutes)]
    minutes: f64,
    /// Where the plot is written, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// A part of an execution.
#[durable]
async fn part(number: u64) -> stent::Result<u64> {
    Ok(number)
}

/// An execution: two children at once, a step, a child, and now and then a long sleep.
#[durable]
async fn whole(number: u64) -> stent::Result<u64> {
    let (one, two) = tokio::try_join!(part(number), part(number + 1))?;
    let sum = stent::step("add", async || Ok::<_, std::convert::Infallible>(one + two)).await?;
    if number.is_multiple_of(SLEEPERS.0) {
        stent::sleep(SLEEPERS.1).await?;
    }
    part(sum).await
}

/// Where the database is.
#[derive(Debug)]
enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(Cluster),
}

impl Database {
    fn of(kind: Kind) -> Result<Self, Box<dyn Error>> {
        Ok(match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir()?),
            Kind::Postgres => {
                let options = stent_test_postgres::Options::new().durable(true);
                Self::Postgres(Cluster::start(&options)?)
            }
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", file(folder).display()),
            Self::Postgres(cluster) => cluster.url("postgres"),
        }
    }

    /// How large it is.
    fn sample(&self, samples: &mut Samples, at: Duration) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Sqlite(folder) => {
                let size = |name: &Path| fs::metadata(name).map_or(0, |file| file.len());
                let file = file(folder);
                let log = file.with_extension("db-wal");
                samples.add(Series::Tables, at, megabytes(size(&file)));
                samples.add(Series::Log, at, megabytes(size(&log)));
            }
            Self::Postgres(cluster) => {
                let sizes = cluster.sql("postgres", include_str!("sizes.sql"))?;
                let all = [Series::Connections, Series::Tables, Series::Log];
                for (series, size) in all.into_iter().zip(sizes.split('|')) {
                    let size: u64 = size.parse()?;
                    let value = match series {
                        Series::Connections => size as f64,
                        _ => megabytes(size),
                    };
                    samples.add(series, at, value);
                }
            }
        }
        Ok(())
    }
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("soak.db")
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

/// Runs the trial; whether nothing grew.
pub(crate) async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let span = Duration::from_secs_f64(60.0 * options.minutes);
    let store = format!("{:?}", options.store);
    say(&format!(
        "{store} for {}, {CALLERS} executions at a time",
        humantime::format_duration(span)
    ));
    let database = Database::of(options.store)?;
    let stent = open(&database.url()).await?;
    let orders = Orders {
        process: 0,
        url: database.url(),
        history: PathBuf::from("/dev/null"),
        lease: Duration::from_secs(30),
    };
    let mut storm = Storm::begin(orders, [Role::Load], 0)?;
    let worker = storm.ids().next().ok_or("there is no worker")?;
    let ended = AtomicU64::new(0);
    let numbers = AtomicU64::new(1);
    let calling = (0..CALLERS).map(|_| async {
        loop {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            stent.run(whole(number)).await?;
            ended.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut samples = Samples::default();
    let measuring = measure(&database, worker, &ended, span, &mut samples);
    tokio::select! {
        called = futures_util::future::try_join_all(calling) => {
            let called: stent::Result<Vec<()>> = called;
            called?;
        }
        measured = measuring => measured?,
    }
    storm.end(Role::Load)?;
    report(&samples, options, &store)
}

/// Measures again and again until the time is over.
async fn measure(
    database: &Database,
    worker: u32,
    ended: &AtomicU64,
    span: Duration,
    samples: &mut Samples,
) -> Result<(), Box<dyn Error>> {
    let began = now();
    let mut before = (began, 0);
    for number in 1.. {
        tokio::time::sleep(SAMPLE).await;
        let count = (now(), ended.load(Ordering::Relaxed));
        let at = count.0 - began;
        let rate = (count.1 - before.1) as f64 / (count.0 - before.0).as_secs_f64();
        before = count;
        samples.add(Series::Throughput, at, rate);
        let (memory, files) = of_process(worker)?;
        samples.add(Series::WorkerMemory, at, memory);
        samples.add(Series::WorkerFiles, at, files);
        let (memory, files) = of_process(std::process::id())?;
        samples.add(Series::ClientMemory, at, memory);
        samples.add(Series::ClientFiles, at, files);
        database.sample(samples, at)?;
        if number % TOLD == 0 {
            let minutes = at.as_secs() / 60;
            say(&format!(
                "  {minutes} min: {} executions, {rate:.0} per second",
                count.1
            ));
        }
        if at >= span {
            break;
        }
    }
    Ok(())
}

/// Says what was used, draws it, and says what grew.
fn report(samples: &Samples, options: &Options, store: &str) -> Result<bool, Box<dyn Error>> {
    say(&format!(
        "  {:<36} {:>10} {:>10}",
        "medians of", "2nd quarter", "4th quarter"
    ));
    for (series, _) in samples.series() {
        let of = |quarter| samples.median(series, quarter).unwrap_or_default();
        say(&format!(
            "  {:<36} {:>11.1} {:>11.1}",
            series.name(),
            of(1),
            of(3)
        ));
    }
    if let Some(file) = &options.plot {
        let title = format!("{store}: {CALLERS} executions at a time, kept for {RETENTION:?}");
        plot::draw(samples, &title, file)?;
    }
    let growing = samples.growing();
    for growth in &growing {
        say(&format!("GROWS: {growth}"));
    }
    Ok(growing.is_empty())
}

/// The worker process.
///
/// # Errors
/// When the store cannot be opened, or the worker fails.
pub(crate) async fn work() -> Result<(), Box<dyn Error>> {
    let orders = read_orders()?;
    let worker = open(&orders.url)
        .await?
        .worker()
        .register(functions![part, whole])
        .lease_duration(orders.lease)
        .retention_period(RETENTION)
        .cleanup_interval(CLEANUP)
        .suspend_after(Duration::from_secs(1))
        .start()
        .await?;
    told_to_end().await?;
    worker.drain().await?;
    Ok(())
}
