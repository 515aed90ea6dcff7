//! Deletes old executions once per interval over the fleet, in short transactions.

use std::{sync::Arc, time::Duration};

use stent_core::{
    defaults,
    store::{CleanupAnswer, CleanupRequest},
};

use crate::{backoff::Backoff, shared::Shared};

/// Between two batches of one cleanup, so that claims come in between.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs as long as the worker, if cleanup is on. It looks at once when it starts: a fleet that restarts often still cleans up.
pub(crate) async fn run(shared: Arc<Shared>, interval: Duration) {
    let mut backoff = Backoff::new(&*shared);
    loop {
        let request = CleanupRequest {
            retention: shared.settings.retention_period,
            limit: defaults::CLEANUP_BATCH,
            interval: Some(interval),
        };
        let pause = match shared.store.clean_up(request).await {
            Ok(CleanupAnswer::Deleted { executions, more }) => {
                backoff.reset();
                if executions > 0 {
                    tracing::info!(
                        executions,
                        "deleted executions older than the retention period"
                    );
                }
                if more { PAUSE } else { interval }
            }
            Ok(CleanupAnswer::NotDue { next_at }) => {
                backoff.reset();
                let left = if shared.store_time.is_known() {
                    next_at.since(shared.store_now())
                } else {
                    // Nobody has heard the store's time yet: soon somebody has.
                    shared.settings.poll_interval
                };
                left.clamp(PAUSE, interval.max(PAUSE))
            }
            Err(error) => {
                tracing::warn!(%error, "cannot clean up; trying again");
                shared.stats.store_failed();
                backoff.step()
            }
        };
        tokio::time::sleep(pause).await;
    }
}
