//! How a runner begins its body anew after a doubt: it reads the whole history, however long the store is away.
//!
//! **Invariant:** who waits for the store hears requests to stop, and stops.

use std::{future::poll_fn, sync::Arc, task::Poll};

use stent_core::{Ordinal, store::HistoryRequest};

use super::{Flow, Runner, new_context};
use crate::live::Handle;

impl Runner {
    /// Begins the body anew on what is recorded, unless something has been decided about the task meanwhile. What the body that was ahead of the
    /// record had to write is forgotten.
    pub(super) async fn reload(&mut self) -> Flow {
        self.drop_body();
        self.context = new_context(&self.shared, &self.handle, &self.task, Vec::new());
        self.send_outbox().await;
        let store = Arc::clone(&self.shared.store);
        loop {
            if self.verdict.is_some() {
                self.stale = false;
                return Flow::Go;
            }
            if self.shared.clock.now() >= self.handle.hold_until() {
                self.shared.stats.lease_lost();
                return Flow::Exit;
            }
            let request = HistoryRequest {
                task: self.task.id,
                after: Ordinal::NONE,
                whole: true,
            };
            let read = match self.unless_stopped(store.history(vec![request])).await {
                Ok(read) => read,
                Err(Flow::Go) => continue,
                Err(Flow::Exit) => return Flow::Exit,
            };
            match read {
                Ok(mut histories) => {
                    self.rereads.reset();
                    let entries = histories.pop().map(|it| it.entries).unwrap_or_default();
                    self.context = new_context(&self.shared, &self.handle, &self.task, entries);
                    self.stale = false;
                    self.start_body();
                    return Flow::Go;
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, task = %self.task.id, "cannot read a task's history; trying again");
                    self.shared.stats.store_failed();
                    let pause = tokio::time::sleep(self.rereads.step());
                    if self.unless_stopped(Box::pin(pause)).await == Err(Flow::Exit) {
                        return Flow::Exit;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, task = %self.task.id, "cannot read a task's history; its lease is left to run out");
                    self.shared.stats.store_failed();
                    return Flow::Exit;
                }
            }
        }
    }

    /// Waits for something while it takes what comes in, unless that stops the task first.
    async fn unless_stopped<T>(
        &mut self,
        mut something: impl Future<Output = T> + Unpin,
    ) -> Result<T, Flow> {
        let handle = Arc::clone(&self.handle);
        loop {
            tokio::select! {
                biased;
                got = &mut something => return Ok(got),
                () = told(&handle) => {}
            }
            if self.hear().await == Flow::Exit {
                return Err(Flow::Exit);
            }
            if self.verdict.is_some() {
                return Err(Flow::Go);
            }
        }
    }
}

/// Waits until something came in.
async fn told(handle: &Handle) {
    poll_fn(|cx| {
        if handle.has_event(cx.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
