//! Renews leases while bodies run, in batches, and tells the store that the worker lives.
//!
//! It runs on a thread of its own, so that a body which blocks the async threads keeps its lease, and its neighbours theirs. A failed renewal
//! is tried again until it succeeds; each body's own deadline decides when to stop.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;

use stent_core::{
    StoreError, defaults,
    store::{RenewRequest, RenewResult},
};
use tokio::sync::watch;

use crate::{
    backoff::Backoff,
    live::{Event, Handle},
    shared::Shared,
};

/// How often the renewer looks before a lease is to be renewed: renewals come at most a quarter early, and leases of one claim together.
const TICKS: u32 = 4;

/// A worker without leases reports at least this often.
const REPORT: Duration = Duration::from_secs(60);

/// Starts renewing; it ends when the sender of `stop` is gone.
pub(crate) fn start(shared: Arc<Shared>, stop: watch::Receiver<()>) -> std::io::Result<()> {
    if !shared.settings.renew_on_own_thread {
        tokio::spawn(async move {
            let broken = Arc::clone(&shared);
            if let Err(panic) = AssertUnwindSafe(run(shared, stop)).catch_unwind().await {
                broken.part_ended("renewer", &*panic);
            }
        });
        return Ok(());
    }
    // A store may have to connect while it renews.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("stent-renew".to_owned())
        .spawn(move || {
            let broken = Arc::clone(&shared);
            let renewing = AssertUnwindSafe(run(shared, stop)).catch_unwind();
            if let Err(panic) = runtime.block_on(renewing) {
                broken.part_ended("renewer", &*panic);
            }
        })?;
    Ok(())
}

async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<()>) {
    let renew_after = shared.settings.lease.renew_after();
    // A lease is renewed at the last tick before it is due to be.
    let tick = (renew_after / TICKS).min(REPORT);
    let mut backoff = Backoff::new(&*shared);
    let mut span = tick;
    let mut reported_at = shared.clock.now();
    loop {
        tokio::select! {
            biased;
            // Only the end of the sender is ever seen.
            _ = stop.changed() => return,
            () = tokio::time::sleep(span) => {}
        }
        let now = shared.clock.now();
        let mut due = shared.live.all();
        due.retain(|handle| {
            shared.settings.renew
                && handle.renews()
                && now.saturating_sub(handle.renewed_at()).saturating_add(tick) > renew_after
        });
        if due.is_empty() && now.saturating_sub(reported_at) < REPORT {
            continue;
        }
        span = match renew(&shared, due).await {
            Ok(()) => {
                backoff.reset();
                reported_at = now;
                tick
            }
            Err(error) => {
                tracing::warn!(%error, "cannot renew leases; trying again");
                shared.stats.store_failed();
                backoff.step().min(tick)
            }
        };
    }
}

/// Renews leases in batches, and reports. A batch that fails keeps none of the others; one that the store refuses is split.
async fn renew(shared: &Shared, handles: Vec<Arc<Handle>>) -> Result<(), StoreError> {
    let mut batches: Vec<&[Arc<Handle>]> = handles.chunks(defaults::COMMIT_BATCH).collect();
    if batches.is_empty() {
        batches.push(&[]);
    }
    let mut failed = Ok(());
    for batch in batches {
        let renewed = match renew_batch(shared, batch).await {
            Err(error) if !error.is_retryable() && batch.len() > 1 => {
                tracing::error!(%error, leases = batch.len(), "the store refused a batch of renewals; sending them one by one");
                renew_each(shared, batch).await
            }
            renewed => renewed,
        };
        failed = failed.and(renewed);
    }
    failed
}

/// Renews leases one by one. One that the store refuses is left to run out; its neighbours are not.
async fn renew_each(shared: &Shared, handles: &[Arc<Handle>]) -> Result<(), StoreError> {
    for handle in handles {
        match renew_batch(shared, std::slice::from_ref(handle)).await {
            Err(error) if !error.is_retryable() => {
                tracing::error!(%error, task = %handle.task, "the store refused to renew a task's lease; it is left to run out");
            }
            renewed => renewed?,
        }
    }
    Ok(())
}

async fn renew_batch(shared: &Shared, batch: &[Arc<Handle>]) -> Result<(), StoreError> {
    let sent = shared.clock.now();
    let request = RenewRequest {
        worker: shared.report(),
        duration: shared.settings.lease,
        leases: batch.iter().map(|h| (h.task, h.fence)).collect(),
    };
    let answer = shared.store.renew(request).await?;
    shared.heard(answer.now);
    for (handle, result) in batch.iter().zip(answer.leases) {
        handle.tell_epoch(answer.epoch);
        apply(shared, handle, result, sent);
    }
    Ok(())
}

fn apply(shared: &Shared, handle: &Handle, result: RenewResult, sent: Duration) {
    match result {
        RenewResult::Renewed {
            deliveries,
            cancel_requested,
            ..
        } => {
            handle.renewed(sent, shared.settings.lease.hold_for());
            if cancel_requested {
                handle.tell(Event::CancelRequested);
            }
            if handle.expects() && deliveries > handle.seen() {
                shared.news.want(handle.task);
            }
        }
        // A task that has just been committed as ended has no lease either; its runner knows better.
        RenewResult::LeaseLost => handle.tell(Event::RenewalRefused),
    }
}
