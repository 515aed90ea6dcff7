//! Lossy words to those who listen.
//!
//! **Invariant:** telling never waits. A listener that is slow loses hints, and is told [`Hint::Anything`] in their place.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use stent_core::Hint;

/// Hints that one listener may be behind.
const BACKLOG_MAX: usize = 1_024;

/// Those who listen.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<Weak<Mutex<Backlog>>>>,
}

/// What one listener has not taken yet.
#[derive(Debug, Default)]
struct Backlog {
    hints: VecDeque<Hint>,
    waker: Option<Waker>,
}

/// The stream of one listener.
#[derive(Debug)]
pub(crate) struct Listener {
    backlog: Arc<Mutex<Backlog>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept under these locks is whole after each statement, and hints may be lost anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Listens from now on.
    pub(crate) fn listen(&self) -> Listener {
        let backlog = Arc::default();
        lock(&self.listeners).push(Arc::downgrade(&backlog));
        Listener { backlog }
    }

    /// Tells everyone who listens, and forgets those who don't any more.
    pub(crate) fn tell(&self, hints: &[Hint]) {
        if hints.is_empty() {
            return;
        }
        let mut wakers = Vec::new();
        lock(&self.listeners).retain(|listener| {
            let Some(backlog) = listener.upgrade() else {
                return false;
            };
            let mut backlog = lock(&backlog);
            for hint in hints {
                backlog.push(hint);
            }
            wakers.extend(backlog.waker.take());
            true
        });
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Backlog {
    fn push(&mut self, hint: &Hint) {
        if self.hints.len() < BACKLOG_MAX {
            self.hints.push_back(hint.clone());
        } else {
            self.hints.clear();
            self.hints.push_back(Hint::Anything);
        }
    }
}

impl Stream for Listener {
    type Item = Hint;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        let mut backlog = lock(&self.backlog);
        match backlog.hints.pop_front() {
            Some(hint) => Poll::Ready(Some(hint)),
            None => {
                backlog.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
