//! A worker as a process of its own, with all options at their defaults.

use std::{sync::Arc, time::Duration};

use stent::{Stent, prelude::*, worker::Worker};

use super::{Orders, Said, say};
use crate::{
    Result,
    functions::{Started, plain, probe},
    stores::Address,
};

/// How often it looks how many tasks have ended.
const LOOK: Duration = Duration::from_millis(2);

/// Opens the store and makes its first connection, so that a worker finds all that lasts.
async fn open(address: &Address) -> Result<Stent> {
    let stored = address.open().await?;
    stored.store.functions().await?;
    Ok(Stent::new(stored.store))
}

pub(super) async fn work(address: &Address, orders: &mut Orders) -> Result {
    let stent = open(address).await?;
    orders.begin().await?;
    let worker = stent.worker().register(plain());
    let worker = worker.drain_grace(Duration::ZERO).start().await?;
    let counting = tokio::spawn(count(worker));
    orders.until_the_end().await?;
    counting.abort();
    Ok(())
}

/// Says how many tasks have ended, for as long as somebody reads it.
async fn count(worker: Worker) -> Result {
    let mut last = 0;
    loop {
        let ended = worker.stats().ended;
        if ended != last {
            say(Said::Ended(ended))?;
            last = ended;
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) async fn start(address: &Address, orders: &mut Orders) -> Result {
    let stent = open(address).await?;
    // Whoever reads it has gone only when this process is to end.
    let tell = |at| say(Said::Started(at)).unwrap_or_default();
    let worker = stent
        .worker()
        .register(functions![probe])
        .state(Arc::new(Started::telling(tell)))
        .start()
        .await?;
    orders.begin().await?;
    orders.until_the_end().await?;
    Ok(worker.drain().await?)
}
