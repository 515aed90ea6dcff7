//! Asking a store until it answers, within a bound.
//!
//! **Invariant:** a request is repeated under the same ids, so that one whose outcome is unknown takes effect once, or never.

use std::{future::Future, sync::Arc, time::Duration};

use stent_core::StoreError;
use tokio::time::{Instant, timeout_at};

use crate::{
    error::{Error, Result},
    ids::{IdSource, fraction},
};

const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Waits that grow from one to the next, spread so that clients that failed together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST_WAIT }
    }

    /// How long to wait now: from half of a span that doubles each time, up to all of it.
    pub(crate) fn step(&mut self, ids: &dyn IdSource) -> Duration {
        let span = self.next;
        self.next = span.saturating_mul(2).min(LONGEST_WAIT);
        let half = span / 2;
        half + half.mul_f64(fraction(ids))
    }
}

/// How long a client asks a store that does not answer.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    pub(crate) within: Duration,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Patience {
    /// Sends a request until it is answered, or refused for good, or the time is over.
    ///
    /// A failure is [`Error::Unavailable`] with what the store said last. The request may have taken effect then, and may still do.
    pub(crate) async fn ask<T, F, Fut>(&self, what: &'static str, request: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let until = far(Instant::now(), self.within);
        let mut backoff = Backoff::new();
        let mut last = None;
        loop {
            match timeout_at(until, request()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if error.is_retryable() => {
                    let wait = backoff.step(&*self.ids);
                    tracing::debug!(what, %error, ?wait, "the store failed; the request is sent again");
                    last = keep_unknown(last, error);
                    if far(Instant::now(), wait) >= until {
                        return Err(self.unavailable(what, last));
                    }
                    tokio::time::sleep(wait).await;
                }
                Ok(Err(error)) => {
                    return Err(Error::Store {
                        what,
                        source: Arc::new(error),
                    });
                }
                // A request that was given up on may have taken effect: no source says otherwise.
                Err(_elapsed) => return Err(self.unavailable(what, None)),
            }
        }
    }

    fn unavailable(&self, what: &'static str, source: Option<StoreError>) -> Error {
        Error::Unavailable {
            what,
            within: self.within,
            source: source.map(Arc::new),
        }
    }
}

/// Of the failures of one request, the newest; but one whose outcome is unknown is not forgotten over one that changed nothing.
fn keep_unknown(last: Option<StoreError>, error: StoreError) -> Option<StoreError> {
    match last {
        Some(last) if last.is_outcome_unknown() && !error.is_outcome_unknown() => Some(last),
        Some(_) | None => Some(error),
    }
}

/// An instant and a span after it, or one that is as good as never.
pub(crate) fn far(at: Instant, span: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    at + span.min(NEVER)
}
