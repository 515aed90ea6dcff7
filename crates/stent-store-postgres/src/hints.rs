//! Lossy words to those who listen in this process.
//!
//! A listener that is slow loses hints and is told [`Hint::Anything`] instead; it never makes a transaction wait.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use stent_core::{Hint, QueueName, Timestamp};

/// Hints that one listener may be behind. Beyond them it is told to look at everything.
const BACKLOG: usize = 1_024;

/// Those who listen.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<Arc<Listener>>>,
}

#[derive(Debug, Default)]
struct Listener {
    state: Mutex<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    hints: VecDeque<Hint>,
    lost: bool,
    closed: bool,
    waker: Option<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept under these locks is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Listens from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> Listening {
        let listener = Arc::new(Listener::default());
        lock(&self.listeners).push(Arc::clone(&listener));
        Listening {
            hub: Arc::clone(self),
            listener,
        }
    }

    /// Tells everyone, and empties the list.
    pub(crate) fn tell(&self, hints: &mut Vec<Hint>) {
        if hints.is_empty() {
            return;
        }
        let distinct = distinct(hints);
        for listener in lock(&self.listeners).iter() {
            listener.tell(&distinct);
        }
    }

    /// Ends all streams.
    pub(crate) fn close(&self) {
        for listener in lock(&self.listeners).drain(..) {
            let mut backlog = lock(&listener.state);
            backlog.closed = true;
            let waker = backlog.waker.take();
            drop(backlog);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

/// The hints of one transaction without repetitions: of a queue's only the earliest.
fn distinct(hints: &mut Vec<Hint>) -> Vec<Hint> {
    if hints.len() == 1 {
        return std::mem::take(hints);
    }
    let mut due: Vec<(QueueName, Timestamp)> = Vec::new();
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for hint in hints.drain(..) {
        match hint {
            Hint::Due { queue, at } => match due.iter_mut().find(|(known, _)| *known == queue) {
                Some((_, earliest)) => *earliest = at.min(*earliest),
                None => due.push((queue, at)),
            },
            hint => {
                if seen.insert(hint.clone()) {
                    kept.push(hint);
                }
            }
        }
    }
    kept.extend(due.into_iter().map(|(queue, at)| Hint::Due { queue, at }));
    kept
}

impl Listener {
    fn tell(&self, hints: &[Hint]) {
        let mut backlog = lock(&self.state);
        for hint in hints {
            if backlog.hints.len() < BACKLOG {
                backlog.hints.push_back(hint.clone());
            } else {
                backlog.lost = true;
            }
        }
        let waker = backlog.waker.take();
        drop(backlog);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// One listener's stream.
#[derive(Debug)]
pub(crate) struct Listening {
    hub: Arc<Hub>,
    listener: Arc<Listener>,
}

impl Stream for Listening {
    type Item = Hint;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Hint>> {
        let mut backlog = lock(&self.listener.state);
        if let Some(hint) = backlog.hints.pop_front() {
            return Poll::Ready(Some(hint));
        }
        if std::mem::take(&mut backlog.lost) {
            return Poll::Ready(Some(Hint::Anything));
        }
        if backlog.closed {
            return Poll::Ready(None);
        }
        backlog.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        lock(&self.hub.listeners).retain(|other| !Arc::ptr_eq(other, &self.listener));
    }
}
