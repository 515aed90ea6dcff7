//! As `latency`, but the worker is another process: the body's start has to be heard of through the database.
//!
//! The limit does the same by hand: one process inserts a task (on Postgres with a notification in the same transaction), another one hears of it,
//! or looks at the file ten thousand times a second, and claims it.

use std::time::Duration;

use crate::{
    Result,
    functions::probe,
    limit::{
        postgres::{self, Notifier},
        sqlite,
    },
    measure::{Sample, Unit, nanoseconds, number, quantile},
    options::Options,
    parts::{Part, Told},
    processes::Process,
    stores::{Opened, PostgresServer, StoreKind},
};

const CALLS: usize = 300;
/// Between two calls, so that everything is idle when one comes.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn run(store: StoreKind, options: &Options) -> Result<Vec<Sample>> {
    let calls = options.scaled(CALLS);
    let (limit, limit_is) = match store {
        StoreKind::Memory => return Ok(Vec::new()),
        StoreKind::Sqlite => (
            by_hand_on_sqlite(options, calls).await?,
            "insert, look every 0.1 ms, claim",
        ),
        StoreKind::Postgres => (
            by_hand_on_postgres(calls).await?,
            "insert and notify, claim",
        ),
    };
    let starts = ours(store, options, calls).await?;
    let sample = |workload, fraction| {
        Sample::beside(
            workload,
            quantile(&starts, fraction),
            Unit::Milliseconds,
            quantile(&limit, fraction),
            limit_is,
        )
    };
    Ok(vec![
        sample("elsewhere_start_p50", 0.5),
        sample("elsewhere_start_p99", 0.99),
    ])
}

/// Makes tasks one by one, each when all is idle; the milliseconds until the process started each.
async fn starts(
    part: &Part,
    calls: usize,
    mut make: impl AsyncFnMut(usize) -> Result,
) -> Result<Vec<f64>> {
    let mut process = Process::start(part).await?;
    process.tell(Told::Begin).await?;
    let mut starts = Vec::with_capacity(calls);
    for call in 0..calls {
        tokio::time::sleep(PAUSE).await;
        let began = nanoseconds();
        make(call).await?;
        let started = process.started().await?;
        starts.push(number(usize::try_from(started - began)?) / 1e6);
    }
    process.end().await?;
    Ok(starts)
}

async fn ours(store: StoreKind, options: &Options, calls: usize) -> Result<Vec<f64>> {
    let opened = Opened::new(store, options).await?;
    let address = opened.address.clone().ok_or("this store has no address")?;
    let stent = opened.client();
    starts(&Part::Start(address), calls, async |call| {
        stent.dispatch(probe(call as u64)).await?;
        Ok(())
    })
    .await
}

async fn by_hand_on_postgres(calls: usize) -> Result<Vec<f64>> {
    let url = PostgresServer::running()?.database()?;
    let notifier = Notifier::new(postgres::create(&url).await?).await?;
    starts(&Part::PostgresListen { url }, calls, async |_| {
        notifier.insert().await
    })
    .await
}

async fn by_hand_on_sqlite(options: &Options, calls: usize) -> Result<Vec<f64>> {
    let folder = options.temporary()?;
    let (path, normal) = (folder.path().join("limit.db"), options.is_normal());
    let connection = sqlite::create(&path, normal)?;
    starts(&Part::SqliteWatch { path, normal }, calls, async |_| {
        sqlite::insert(&connection, 1, 1).map(drop)
    })
    .await
}
