//! A bounded queue from callers, who wait without a thread, to threads, which wait without a runtime.
//!
//! **Invariant:** nothing is taken from a closed queue that was not put in before it closed, and everything that was is taken.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

/// The queue is closed.
#[derive(Debug)]
pub(crate) struct Closed;

/// What a taker found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something.
    Some,
    /// Nothing within the time that it would wait, or it was woken to look at other things.
    Nothing,
    /// Nothing, and never again.
    Closed,
}

/// An element, by how much it counts towards a batch.
pub(crate) trait Weigh {
    fn weight(&self) -> usize;
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    room: Semaphore,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    woken: bool,
    closed: bool,
}

impl<T: Weigh> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                woken: false,
                closed: false,
            }),
            filled: Condvar::new(),
            room: Semaphore::new(capacity),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under this lock, so the state is whole even if its holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room and puts something in. Dropping the future before it is ready puts nothing in.
    pub(crate) async fn put(&self, item: T) -> Result<(), Closed> {
        let permit = self.room.acquire().await.map_err(|_| Closed)?;
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        permit.forget();
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something and takes what is there, until it weighs enough.
    pub(crate) fn take(
        &self,
        enough: usize,
        patience: Option<Duration>,
        into: &mut Vec<T>,
    ) -> Taken {
        let mut state = self.lock();
        while state.items.is_empty() && !state.closed && !state.woken {
            state = match patience {
                None => self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (state, waited) = self
                        .filled
                        .wait_timeout(state, patience)
                        .unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() && state.items.is_empty() {
                        return Taken::Nothing;
                    }
                    state
                }
            };
        }
        state.woken = false;
        let mut weight = 0;
        let mut taken = 0;
        while weight < enough {
            let Some(item) = state.items.pop_front() else {
                break;
            };
            weight += item.weight().max(1);
            taken += 1;
            into.push(item);
        }
        let closed = state.closed;
        drop(state);
        self.room.add_permits(taken);
        match (taken, closed) {
            (0, true) => Taken::Closed,
            (0, false) => Taken::Nothing,
            _ => Taken::Some,
        }
    }

    /// Makes one taker look at other things.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.filled.notify_one();
    }

    /// Lets nothing more in. Takers get what is left.
    pub(crate) fn close(&self) {
        self.room.close();
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Lets nothing more in, and drops what is left: there is no taker any more.
    pub(crate) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.lock().items);
        drop(left);
    }
}
