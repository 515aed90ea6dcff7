//! Hints to those who listen in this process: what a store answers [`super::Store::hints`] with.
//!
//! **Invariant:** telling never waits. A listener that is slow loses hints, and is told [`Hint::Anything`] in their place.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{Hint, QueueName, Timestamp};
use futures_core::Stream;

/// Hints that one listener may be behind. Beyond them it is told to look at everything.
const BACKLOG: usize = 1_024;

/// Those who listen. A store keeps one, and tells it what a transaction noted once that is committed.
///
/// ```
/// use stent_core::{Hint, store::{HintHub, HintStream}};
///
/// let hub = std::sync::Arc::new(HintHub::default());
/// let listening: HintStream = Box::pin(hub.listen());
/// hub.tell(vec![Hint::Anything]);
/// # drop(listening);
/// ```
#[derive(Debug, Default)]
pub struct HintHub {
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

impl HintHub {
    /// Listens from now on, until the stream is dropped.
    #[must_use]
    pub fn listen(self: &Arc<Self>) -> Listening {
        let listener = Arc::new(Listener::default());
        lock(&self.listeners).push(Arc::clone(&listener));
        Listening {
            hub: Arc::clone(self),
            listener,
        }
    }

    /// Whether anyone listens; if not, hints need not be noted.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !lock(&self.listeners).is_empty()
    }

    /// Tells everyone, each hint once.
    pub fn tell(&self, hints: Vec<Hint>) {
        if hints.is_empty() {
            return;
        }
        let distinct = distinct(hints);
        for listener in lock(&self.listeners).iter() {
            listener.tell(&distinct);
        }
    }

    /// Ends all streams: the store is gone.
    pub fn close(&self) {
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
fn distinct(hints: Vec<Hint>) -> Vec<Hint> {
    if hints.len() == 1 {
        return hints;
    }
    let mut due: Vec<(QueueName, Timestamp)> = Vec::new();
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for hint in hints {
        match hint {
            Hint::Due { queue, at } => match due.iter_mut().find(|(known, _)| *known == queue) {
                Some((_, earliest)) => *earliest = at.min(*earliest),
                None => due.push((queue, at)),
            },
            hint @ (Hint::Delivered { .. }
            | Hint::CancelRequested { .. }
            | Hint::SlotFreed { .. }
            | Hint::Ended { .. }
            | Hint::Anything) => {
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
pub struct Listening {
    hub: Arc<HintHub>,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is there now.
    fn heard(listening: &mut Listening) -> Vec<Hint> {
        let mut context = Context::from_waker(Waker::noop());
        let mut heard = Vec::new();
        while let Poll::Ready(Some(hint)) = Pin::new(&mut *listening).poll_next(&mut context) {
            heard.push(hint);
        }
        heard
    }

    fn due(at: i64) -> Hint {
        Hint::Due {
            queue: QueueName::default(),
            at: Timestamp::from_micros(at),
        }
    }

    #[test]
    fn everyone_hears_each_hint_of_a_transaction_once() {
        let hub = Arc::new(HintHub::default());
        assert!(!hub.is_heard());
        let mut listening = [hub.listen(), hub.listen()];
        assert!(hub.is_heard());
        hub.tell(vec![due(7), Hint::Anything, due(3), Hint::Anything]);
        for listening in &mut listening {
            assert_eq!(heard(listening), [Hint::Anything, due(3)]);
        }
        drop(listening);
        assert!(!hub.is_heard());
    }

    #[test]
    fn who_listens_no_more_takes_nobody_else_along() {
        let hub = Arc::new(HintHub::default());
        let (first, mut second) = (hub.listen(), hub.listen());
        drop(first);
        assert!(hub.is_heard());
        hub.tell(vec![due(3)]);
        assert_eq!(heard(&mut second), [due(3)]);
    }

    #[test]
    fn who_is_slow_is_told_to_look_at_everything() {
        let hub = Arc::new(HintHub::default());
        let mut slow = hub.listen();
        for at in 0..2_000 {
            hub.tell(vec![due(at)]);
        }
        let heard = heard(&mut slow);
        assert_eq!(heard.len(), BACKLOG + 1);
        assert_eq!(heard.last(), Some(&Hint::Anything));
    }

    #[test]
    fn a_stream_ends_with_its_store() {
        let hub = Arc::new(HintHub::default());
        let mut listening = hub.listen();
        hub.tell(vec![Hint::Anything]);
        hub.close();
        assert_eq!(heard(&mut listening), [Hint::Anything]);
        let mut context = Context::from_waker(Waker::noop());
        let next = Pin::new(&mut listening).poll_next(&mut context);
        assert_eq!(next, Poll::Ready(None));
    }
}
