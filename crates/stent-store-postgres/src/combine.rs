//! Small requests of one kind that come at the same moment are done together: while a transaction is under way, others wait and go with the next.
//! So a commit is paid once for many, and nobody waits for a timer.
//!
//! **Invariant:** each request is answered by itself. Where a transaction of several was refused, each is done alone, so that none hurts its
//! neighbours.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stent_core::{
    StoreError,
    signal::SignalAnswer,
    store::{DispatchAnswer, DispatchRequest, SignalRequest},
};
use tokio::sync::oneshot;

use crate::{shared::Shared, write::Verb};

/// Requests with so many elements are transactions of their own: they have nothing to gain.
const LARGE: usize = 64;
/// So do requests with so many bytes of payloads.
const LARGE_BYTES: usize = 4 * 1024 * 1024;
/// Requests that may wait. Beyond them callers are told to come back.
const WAITING_MAX: usize = 10_000;
/// Elements of one transaction.
const TOGETHER_MAX: usize = 1_000;
/// Bytes of payloads of one transaction: far below the gigabyte beyond which the server closes the connection on all, and little beside what each
/// caller holds.
const TOGETHER_MAX_BYTES: usize = 4 * LARGE_BYTES;

/// A request that can be done together with others.
pub(crate) trait Combine: Verb + Sized {
    /// How many elements it has.
    fn len(&self) -> usize;

    /// How many bytes its payloads have.
    fn bytes(&self) -> usize;

    /// Adds the elements of another one.
    fn append(&mut self, other: Self);

    /// Takes the first elements out.
    fn split(&mut self, count: usize) -> Self;

    /// Takes the answers of the first elements out.
    fn split_answer(answer: &mut Self::Answer, count: usize) -> Self::Answer;

    /// Where requests of this kind wait.
    fn queue(shared: &Shared) -> &Queue<Self>;
}

/// Requests of one kind that wait.
pub(crate) struct Queue<V: Combine>(Mutex<State<V>>);

struct State<V: Combine> {
    waiting: VecDeque<Waiting<V>>,
    /// Whether a transaction is under way, after which those who wait have their turn. One at a time makes the largest ones.
    is_under_way: bool,
}

struct Waiting<V: Combine> {
    request: V,
    reply: oneshot::Sender<Result<V::Answer, StoreError>>,
}

impl<V: Combine> Default for Queue<V> {
    fn default() -> Self {
        Self(Mutex::new(State {
            waiting: VecDeque::new(),
            is_under_way: false,
        }))
    }
}

impl<V: Combine> fmt::Debug for Queue<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("waiting", &self.lock().waiting.len())
            .finish_non_exhaustive()
    }
}

impl<V: Combine> Queue<V> {
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        // What is kept under this lock is whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests of the next transaction; none ends whoever asks.
    fn next(&self) -> Vec<Waiting<V>> {
        let mut state = self.lock();
        let mut together = Vec::new();
        let (mut elements, mut bytes): (usize, usize) = (0, 0);
        while let Some(first) = state.waiting.front() {
            elements = elements.saturating_add(first.request.len());
            bytes = bytes.saturating_add(first.request.bytes());
            let is_full = elements > TOGETHER_MAX || bytes > TOGETHER_MAX_BYTES;
            if is_full && !together.is_empty() {
                break;
            }
            together.extend(state.waiting.pop_front());
        }
        if together.is_empty() {
            state.is_under_way = false;
        }
        together
    }
}

impl Shared {
    /// Does a request, together with others of its kind if it is a small one.
    pub(crate) async fn write_together<V: Combine>(
        self: &Arc<Self>,
        request: V,
    ) -> Result<V::Answer, StoreError> {
        if request.len() >= LARGE || request.bytes() >= LARGE_BYTES {
            return self.write(request).await;
        }
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut state = V::queue(self).lock();
            if state.waiting.len() >= WAITING_MAX {
                return Err(StoreError::Retryable {
                    what: format!("`{}` found {WAITING_MAX} requests waiting", V::NAME),
                    source: None,
                });
            }
            state.waiting.push_back(Waiting { request, reply });
            !std::mem::replace(&mut state.is_under_way, true)
        };
        if is_first {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.drain::<V>().await });
        }
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown {
                what: format!("`{}` was stopped with its runtime, or panicked", V::NAME),
                source: None,
            })
        })
    }

    async fn drain<V: Combine>(self: Arc<Self>) {
        loop {
            // Those who were just answered, and those who were woken with whoever began this, have their turn first: they are about to ask.
            tokio::task::yield_now().await;
            let together = V::queue(&self).next();
            if together.is_empty() {
                return;
            }
            // A panic ends the transaction and its callers' hope, but not those who wait.
            let shared = Arc::clone(&self);
            let done = tokio::spawn(async move { shared.do_together(together).await });
            if let Err(stopped) = done.await {
                tracing::error!(%stopped, "a transaction was stopped");
            }
        }
    }

    async fn do_together<V: Combine>(&self, together: Vec<Waiting<V>>) {
        let (mut requests, replies): (VecDeque<V>, Vec<_>) = together
            .into_iter()
            .map(|waiting| (waiting.request, waiting.reply))
            .unzip();
        let lengths: Vec<usize> = requests.iter().map(V::len).collect();
        let Some(mut all) = requests.pop_front() else {
            return;
        };
        for request in requests {
            all.append(request);
        }
        let waiting = replies.into_iter().zip(lengths);
        match self.attempts(&all).await {
            Ok(mut answer) => {
                for (reply, length) in waiting {
                    // Whoever went away needs no answer.
                    drop(reply.send(Ok(V::split_answer(&mut answer, length))));
                }
            }
            Err(error) if is_about_an_element(&error) && waiting.len() > 1 => {
                for (reply, length) in waiting {
                    let request = all.split(length);
                    drop(reply.send(self.attempts(&request).await));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for (reply, _) in waiting {
                    drop(reply.send(Err(repeated(&error))));
                }
            }
        }
    }
}

/// Whether a failure may be one element's fault, so that others would succeed without it.
fn is_about_an_element(error: &StoreError) -> bool {
    match error {
        StoreError::Retryable { .. } | StoreError::OutcomeUnknown { .. } => false,
        // What is wrong with the store as a whole is then told to each.
        _ => true,
    }
}

/// A failure that several are told of.
fn repeated(error: &Arc<StoreError>) -> StoreError {
    let what = match &**error {
        StoreError::Retryable { what, .. }
        | StoreError::OutcomeUnknown { what, .. }
        | StoreError::Refused { what }
        | StoreError::Final { what, .. } => what.clone(),
        other => other.to_string(),
    };
    let source: Option<Box<dyn std::error::Error + Send + Sync>> =
        Some(Box::new(Arc::clone(error)));
    match &**error {
        StoreError::Retryable { .. } => StoreError::Retryable { what, source },
        StoreError::OutcomeUnknown { .. } => StoreError::OutcomeUnknown { what, source },
        StoreError::Refused { .. } => StoreError::Refused { what },
        _ => StoreError::Final { what, source },
    }
}

fn split<T>(all: &mut Vec<T>, count: usize) -> Vec<T> {
    let rest = all.split_off(count.min(all.len()));
    std::mem::replace(all, rest)
}

impl Combine for DispatchRequest {
    fn len(&self) -> usize {
        self.executions.len()
    }

    fn bytes(&self) -> usize {
        let inputs = self.executions.iter().map(|one| &one.root.input);
        inputs.map(|input| input.as_str().len()).sum()
    }

    fn append(&mut self, mut other: Self) {
        self.executions.append(&mut other.executions);
    }

    fn split(&mut self, count: usize) -> Self {
        Self {
            executions: split(&mut self.executions, count),
        }
    }

    fn split_answer(answer: &mut DispatchAnswer, count: usize) -> DispatchAnswer {
        DispatchAnswer {
            executions: split(&mut answer.executions, count),
        }
    }

    fn queue(shared: &Shared) -> &Queue<Self> {
        &shared.dispatches
    }
}

impl Combine for SignalRequest {
    fn len(&self) -> usize {
        self.signals.len()
    }

    fn bytes(&self) -> usize {
        let payloads = self.signals.iter().map(|signal| &signal.payload);
        payloads.map(|payload| payload.as_str().len()).sum()
    }

    fn append(&mut self, mut other: Self) {
        self.signals.append(&mut other.signals);
    }

    fn split(&mut self, count: usize) -> Self {
        Self {
            signals: split(&mut self.signals, count),
        }
    }

    fn split_answer(answer: &mut Vec<SignalAnswer>, count: usize) -> Vec<SignalAnswer> {
        split(answer, count)
    }

    fn queue(shared: &Shared) -> &Queue<Self> {
        &shared.signals
    }
}

#[cfg(test)]
mod tests {
    use stent_core::{ExecutionId, Payload, SignalId, SignalName, signal::NewSignal};
    use uuid::Uuid;

    use super::*;

    /// Requests of so many signals with so many bytes each.
    fn waiting(requests: usize, signals: usize, bytes: usize) -> Queue<SignalRequest> {
        let queue = Queue::default();
        let signal = NewSignal {
            id: SignalId::from_uuid(Uuid::nil()),
            execution: ExecutionId::from_uuid(Uuid::nil()),
            name: SignalName::new("go").unwrap(),
            payload: Payload::from_stored("1".repeat(bytes)),
        };
        for _ in 0..requests {
            let (reply, _) = oneshot::channel();
            let request = SignalRequest {
                signals: vec![signal.clone(); signals],
            };
            queue.lock().waiting.push_back(Waiting { request, reply });
        }
        queue
    }

    #[test]
    fn those_who_go_together_are_not_too_many_and_not_too_large() {
        let sizes = |queue: &Queue<SignalRequest>| {
            let sizes = std::iter::from_fn(|| Some(queue.next().len()).filter(|size| *size > 0));
            sizes.collect::<Vec<_>>()
        };
        assert_eq!(sizes(&waiting(25, 63, 1)), [15, 10]);
        assert_eq!(sizes(&waiting(9, 1, LARGE_BYTES - 1)), [4, 4, 1]);
        assert_eq!(sizes(&waiting(2, 1, TOGETHER_MAX_BYTES + 1)), [1, 1]);
    }
}
