//! What a body does that does nothing: it is counted, and the last start is known.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{Result, clock::now};

/// How long nothing may happen before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

static COUNT: AtomicUsize = AtomicUsize::new(0);
static LAST: Mutex<Option<Instant>> = Mutex::new(None);
static CHANGED: Notify = Notify::const_new();

/// Says that a body has started: all that a measured body does.
pub fn ran() {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
    COUNT.fetch_add(1, Ordering::Release);
    CHANGED.notify_one();
}

/// How many bodies were started so far.
pub fn count() -> usize {
    COUNT.load(Ordering::Acquire)
}

/// Waits until so many bodies were started; when the last was.
///
/// # Errors
/// When none was for a minute.
pub(crate) async fn started(count: usize) -> Result<Instant> {
    while self::count() < count {
        let before = self::count();
        let changed = tokio::time::timeout(PATIENCE, CHANGED.notified()).await;
        if changed.is_err() && self::count() == before {
            return Err(format!("{before} of {count} bodies ran, and no further one").into());
        }
    }
    let last = *LAST.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(last.ok_or("no body has run")?)
}
