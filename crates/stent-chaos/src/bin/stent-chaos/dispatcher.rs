//! A process of a trial that calls: it writes down what it is told, and is killed and paused like others.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
};

use stent::prelude::*;
use stent_chaos::history::{Call, Event, Journal};

use crate::worker::{GO, Receipt, open, order, read_orders, told_to_end};

/// Calls that one process waits for at a time.
const CALLERS: u8 = 6;
/// Of so many calls one is cancelled.
const CANCELLED: u8 = 12;

/// With this and its number a call's idempotency key is made.
pub(crate) const KEY: &str = "call ";

/// A process that calls.
struct Dispatcher {
    process: u32,
    stent: Stent,
    journal: Journal,
    calls: AtomicU32,
}

/// Calls until standard input ends; then it leaves everything where it is.
///
/// # Errors
/// When the store cannot be opened, or the history not written.
pub(crate) async fn call() -> Result<(), Box<dyn Error>> {
    let orders = read_orders()?;
    let dispatcher = Dispatcher {
        process: orders.process,
        stent: open(&orders.url).await?,
        journal: Journal::open(&orders.history)?,
        calls: AtomicU32::new(0),
    };
    let callers = (0..CALLERS).map(|_| dispatcher.call_on());
    tokio::select! {
        called = futures_util::future::try_join_all(callers) => called.map(drop),
        told = told_to_end() => told,
    }
}

impl Dispatcher {
    /// Calls one after the other. What the store refuses to say is let be; it is found out at the end.
    async fn call_on(&self) -> Result<(), Box<dyn Error>> {
        loop {
            let number = self.calls.fetch_add(1, Ordering::Relaxed);
            let call = Call(u64::from(self.process) << 32 | u64::from(number));
            self.journal.write(Event::Invoked(call))?;
            match self
                .stent
                .dispatch(order(call).idempotency_key(format!("{KEY}{}", call.0)))
                .await
            {
                Ok(handle) => {
                    self.journal.write(Event::Accepted(call))?;
                    self.follow(call, &handle).await?;
                }
                Err(error) if is_the_stores(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a call what it waits for, or cancels it, and waits for its result.
    async fn follow(&self, call: Call, handle: &Handle<order>) -> Result<(), Box<dyn Error>> {
        let is_cancelled = fastrand::u8(..CANCELLED) == 0;
        let followed = async {
            if is_cancelled {
                self.journal
                    .write(Event::Cancels(call))
                    .map_err(stent::Error::other)?;
                handle.cancel().await?;
            } else {
                handle.signal(GO, &call.0).await?;
            }
            handle.result().await
        };
        match followed.await {
            Ok(receipt) => show(&self.journal, call, &receipt).map_err(Into::into),
            Err(stent::Error::Cancelled { .. }) if is_cancelled => Ok(()),
            Err(error) if is_the_stores(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes down what a client was shown.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn show(journal: &Journal, call: Call, receipt: &Receipt) -> std::io::Result<()> {
    journal.write(Event::Shown(call, receipt.limited))?;
    let mut parts = receipt.parts.iter();
    parts.try_for_each(|(part, value)| journal.write(Event::Got(call, *part, *value)))
}

/// Whether an error only says that the store did not answer.
fn is_the_stores(error: &stent::Error) -> bool {
    matches!(error, stent::Error::Unavailable { .. })
}
