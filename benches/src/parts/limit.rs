//! The limit as a process of its own.

use std::{path::Path, time::Duration};

use futures_util::future::{poll_fn, try_join_all};
use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use super::{BATCH, Orders, Said, say};
use crate::{
    Result,
    limit::{
        postgres::{CHANNEL, Worker, connect},
        sqlite,
    },
    measure::nanoseconds,
};

/// From one look at a file to the next: a look is a read of shared memory.
const WATCH: Duration = Duration::from_micros(100);

pub(super) async fn drain_postgres(url: &str, connections: usize, orders: &mut Orders) -> Result {
    let clients = try_join_all((0..connections).map(|_| connect(url))).await?;
    let workers = try_join_all(clients.iter().map(|client| Worker::new(client, BATCH))).await?;
    orders.begin().await?;
    let ended = std::sync::atomic::AtomicU64::new(0);
    try_join_all(workers.iter().map(async |worker| {
        loop {
            let claimed = worker.claim().await?;
            if claimed.is_empty() {
                return Result::Ok(());
            }
            worker.complete(&claimed).await?;
            let more = u64::try_from(claimed.len())?;
            let before = ended.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
            say(Said::Ended(before + more))?;
        }
    }))
    .await?;
    orders.until_the_end().await
}

pub(super) async fn drain_sqlite(path: &Path, normal: bool, orders: &mut Orders) -> Result {
    let connection = sqlite::open(path, normal)?;
    orders.begin().await?;
    let mut ended = 0;
    loop {
        match sqlite::work_off(&connection, BATCH)? {
            0 => return orders.until_the_end().await,
            more => ended += u64::try_from(more)?,
        }
        say(Said::Ended(ended))?;
    }
}

pub(super) async fn listen_on_postgres(url: &str, orders: &mut Orders) -> Result {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await?;
    let (told, mut notified) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, AsyncMessage::Notification(_)) && told.send(()).is_err() {
                return;
            }
        }
    });
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    let worker = Worker::new(&client, 1).await?;
    orders.begin().await?;
    loop {
        tokio::select! {
            biased;
            Some(()) = notified.recv() => {
                let claimed = worker.claim().await?;
                if !claimed.is_empty() {
                    say(Said::Started(nanoseconds()))?;
                    worker.complete(&claimed).await?;
                }
            }
            told = orders.next() => if told?.is_none() { return Ok(()) },
        }
    }
}

pub(super) async fn watch_sqlite(path: &Path, normal: bool, orders: &mut Orders) -> Result {
    let connection = sqlite::open(path, normal)?;
    orders.begin().await?;
    // It ends with this process.
    std::thread::spawn(move || watch(&connection).unwrap_or_default());
    orders.until_the_end().await
}

fn watch(connection: &Connection) -> Result {
    let mut last = version(connection)?;
    loop {
        let seen = version(connection)?;
        if seen == last {
            pause();
            continue;
        }
        last = seen;
        let claimed = sqlite::claim_one(connection)?;
        if let Some(claimed) = claimed {
            say(Said::Started(nanoseconds()))?;
            sqlite::complete_one(connection, claimed)?;
        }
    }
}

/// A number that changes when another connection writes.
fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever watches a file without the kernel's help has nothing to wait for"
)]
fn pause() {
    std::thread::sleep(WATCH);
}
