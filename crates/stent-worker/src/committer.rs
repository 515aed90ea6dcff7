//! Group commit: what all runners have to write goes to the store together, in the order in which it came.
//!
//! With one writer there is no delay; while a commit is on its way the next batch gathers, and goes when that is answered or when it is full, so
//! that a busy store always has its next batch. The queue is bounded: a store that is slow slows the runners down, and so the claims.
//!
//! A commit may reach the store before one that was sent earlier, after a failure or on another connection. That does no harm: a task has one
//! commit on its way, and what a commit builds upon stands in it as an assumption that the store checks.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use stent_core::{
    Store, StoreError,
    commit::TaskCommit,
    defaults,
    store::{CommitAnswer, CommitRequest},
};
use tokio::sync::mpsc;

use crate::{
    backoff::Backoff,
    live::{Event, Handle},
    shared::Shared,
};

/// Units that wait for a commit: two batches, so that one is always full while others are on their way.
const QUEUE: usize = 2 * defaults::COMMIT_BATCH;
/// Batches on their way at once: the store works on one, the next waits there, and the answers of one are handed out.
const IN_FLIGHT: usize = 3;

/// One task's write, and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) commit: TaskCommit,
    pub(crate) handle: Arc<Handle>,
}

/// Writes that must not be torn apart: a child's end and what its parent did with it.
pub(crate) type Unit = Vec<Part>;

/// What goes to the store together, while it gathers.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    parts: Unit,
    /// Bytes of payloads.
    bytes: usize,
}

impl Batch {
    pub(crate) fn add(&mut self, unit: Unit) {
        for part in unit {
            self.bytes = self.bytes.saturating_add(part.commit.payload_bytes());
            self.parts.push(part);
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn into_unit(self) -> Unit {
        self.parts
    }

    /// Whether nothing more is added to it.
    pub(crate) const fn is_full(&self) -> bool {
        self.parts.len() >= defaults::COMMIT_BATCH || self.bytes >= defaults::COMMIT_BATCH_BYTES
    }
}

/// Where runners put what they have to write.
#[derive(Clone, Debug)]
pub(crate) struct CommitQueue {
    sender: mpsc::Sender<Unit>,
}

impl CommitQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Unit>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, receiver)
    }

    /// Puts a unit into the queue; waits while it is full. Each part's answer comes to its runner's inbox.
    pub(crate) async fn submit(&self, unit: Unit) {
        if let Err(mpsc::error::SendError(unit)) = self.sender.send(unit).await {
            for part in unit {
                part.handle.tell(Event::LeaseLost);
            }
        }
    }
}

/// Runs until every sender is gone.
pub(crate) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Unit>) {
    let mut on_their_way = FuturesUnordered::new();
    let mut gathered = Batch::default();
    let mut open = true;
    while open || !gathered.is_empty() || !on_their_way.is_empty() {
        while !gathered.is_full()
            && let Ok(unit) = queue.try_recv()
        {
            gathered.add(unit);
        }
        let free = on_their_way.is_empty() || gathered.is_full() && on_their_way.len() < IN_FLIGHT;
        if free && !gathered.is_empty() {
            let first_sent = shared.clock.now();
            let batch = std::mem::take(&mut gathered).into_unit();
            on_their_way.push(send(&shared, batch, first_sent));
        }
        tokio::select! {
            biased;
            Some(()) = on_their_way.next() => {}
            unit = queue.recv(), if open && !gathered.is_full() => match unit {
                Some(unit) => gathered.add(unit),
                None => open = false,
            },
            else => {}
        }
    }
}

/// Sends a batch until it is answered, or no lease in it is left.
async fn send(shared: &Shared, mut batch: Vec<Part>, first_sent: Duration) {
    let mut backoff = Backoff::new(shared);
    while !batch.is_empty() {
        let request = CommitRequest {
            commits: batch.iter().map(|part| part.commit.clone()).collect(),
        };
        let sent = shared.clock.now();
        match commit(&*shared.store, request, &batch).await {
            Ok(answer) => {
                shared.heard(answer.now);
                shared.stats.committed(batch.len());
                for (part, result) in batch.into_iter().zip(answer.results) {
                    // What an earlier try did counts from that try: the leases that it gave to children are as old.
                    let repeated = matches!(&result.result, Ok(applied) if applied.repeated);
                    let sent = if repeated { first_sent } else { sent };
                    part.handle.tell(Event::Answer {
                        result: Box::new(result),
                        sent,
                    });
                }
                return;
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, tasks = batch.len(), "cannot commit; trying again");
                shared.stats.store_failed();
                backoff.wait().await;
                batch = drop_lost(shared, batch);
            }
            Err(error) if batch.len() > 1 => {
                tracing::error!(%error, tasks = batch.len(), "the store refused a batch; sending its tasks one by one");
                for part in batch {
                    Box::pin(send(shared, vec![part], first_sent)).await;
                }
                return;
            }
            Err(error) => {
                for part in batch {
                    tracing::error!(%error, task = %part.handle.task, "the store refused a task's commit; its lease is left to run out");
                    part.handle.tell(Event::LeaseLost);
                }
                return;
            }
        }
    }
}

/// Commits, and makes sure that every answer belongs to its own element.
async fn commit(
    store: &dyn Store,
    request: CommitRequest,
    batch: &[Part],
) -> Result<CommitAnswer, StoreError> {
    let answer = store.commit(request).await?;
    let matches = answer.results.len() == batch.len()
        && answer.results.iter().zip(batch).all(|(result, part)| {
            result.task == part.commit.task && result.number == part.commit.number
        });
    if matches {
        Ok(answer)
    } else {
        Err(StoreError::Final {
            what: "the store's answer to a commit does not belong to it; the store breaks its contract".to_owned(),
            source: None,
        })
    }
}

/// Gives up what can no longer be committed: its lease has run out, and another worker goes on with it.
fn drop_lost(shared: &Shared, batch: Vec<Part>) -> Vec<Part> {
    let now = shared.clock.now();
    let margin = shared
        .settings
        .lease
        .get()
        .saturating_sub(shared.settings.lease.hold_for());
    let (kept, lost): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|part| part.handle.hold_until().saturating_add(margin) > now);
    for part in lost {
        tracing::warn!(task = %part.handle.task, "the lease ran out before the store could be reached; the task runs again elsewhere");
        part.handle.tell(Event::LeaseLost);
    }
    kept
}

#[cfg(test)]
mod tests {
    use stent_core::{
        ClaimMark, Epoch, Fence, FencingToken, Outcome, Payload, TaskId, commit::Then,
    };

    use super::*;

    fn unit(result_bytes: usize) -> Unit {
        let task = TaskId::from_parts(stent_core::Timestamp::MIN, &[0; 10]);
        let fence = Fence {
            token: FencingToken(1),
            mark: ClaimMark(1),
        };
        let result = Payload::from_stored("1".repeat(result_bytes));
        vec![Part {
            commit: TaskCommit {
                task,
                fence,
                number: 1,
                epoch: Epoch::default(),
                assumes: Vec::new(),
                writes: Vec::new(),
                then: Then::End(Outcome::Completed(result)),
            },
            handle: Handle::new(
                task,
                fence,
                Epoch::default(),
                Duration::ZERO,
                Duration::ZERO,
            ),
        }]
    }

    fn units_until_full(result_bytes: usize) -> usize {
        let mut batch = Batch::default();
        (0..)
            .take_while(|_| {
                let goes_on = !batch.is_full();
                batch.add(unit(result_bytes));
                goes_on
            })
            .count()
    }

    #[test]
    fn a_batch_is_full_by_number_or_by_size() {
        assert_eq!(units_until_full(1), defaults::COMMIT_BATCH);
        assert_eq!(units_until_full(defaults::COMMIT_BATCH_BYTES / 2), 2);
        assert_eq!(units_until_full(defaults::COMMIT_BATCH_BYTES + 1), 1);
    }
}
