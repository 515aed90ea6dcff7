//! Fetches what others recorded for the tasks that run here, in one read for as many as asked: outcomes, and whether they are to be cancelled.
//!
//! **Invariant:** what a hint says is never believed: it only makes the worker look.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use stent_core::{
    StoreError, TaskId, defaults,
    store::{HistoryRequest, TaskQuery},
};
use tokio::sync::Notify;

use crate::{backoff::Backoff, context::lock, live::Event, shared::Shared};

/// The longest pause between two readings.
const GAP_MAX: Duration = Duration::from_millis(100);

/// Tasks whose news are wanted.
#[derive(Debug, Default)]
pub(crate) struct News {
    outcomes: Wanted,
    cancels: Wanted,
}

impl News {
    /// Asks for what was recorded for a task since it looked last.
    pub(crate) fn want(&self, task: TaskId) {
        self.outcomes.add([task]);
    }

    /// Asks whether a task is to be cancelled.
    pub(crate) fn doubt(&self, task: TaskId) {
        self.cancels.add([task]);
    }
}

/// Tasks of which something is to be read.
#[derive(Debug, Default)]
struct Wanted {
    tasks: Mutex<BTreeSet<TaskId>>,
    wake: Notify,
}

impl Wanted {
    fn add(&self, tasks: impl IntoIterator<Item = TaskId>) {
        lock(&self.tasks).extend(tasks);
        self.wake.notify_one();
    }

    /// Some of them, as many as one read answers.
    fn take(&self) -> Vec<TaskId> {
        let mut tasks = lock(&self.tasks);
        std::iter::from_fn(|| tasks.pop_first())
            .take(defaults::COMMIT_BATCH)
            .collect()
    }
}

/// Runs as long as the worker. One kind of news does not wait for the other.
pub(crate) async fn run(shared: Arc<Shared>) {
    let outcomes = read_all(&shared, &shared.news.outcomes, |tasks| {
        read_outcomes(&shared, tasks).boxed()
    });
    let cancels = read_all(&shared, &shared.news.cancels, |tasks| {
        read_cancels(&shared, tasks).boxed()
    });
    tokio::join!(outcomes, cancels);
}

async fn read_all<'a>(
    shared: &Shared,
    wanted: &Wanted,
    read: impl Fn(Vec<TaskId>) -> BoxFuture<'a, Result<(), StoreError>>,
) {
    let mut backoff = Backoff::new(shared);
    loop {
        let tasks = wanted.take();
        if tasks.is_empty() {
            wanted.wake.notified().await;
            continue;
        }
        let began = shared.clock.now();
        match read(tasks.clone()).await {
            Ok(()) => {
                backoff.reset();
                // However often others write, the store is asked no more than half of the time.
                let took = shared.clock.now().saturating_sub(began);
                tokio::time::sleep(took.min(GAP_MAX)).await;
            }
            Err(error) if !error.is_retryable() => {
                tracing::error!(%error, tasks = tasks.len(), "the store refused to say what was recorded for tasks that run here; asking for one after the other");
                read_each(shared, tasks, &read).await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read what was recorded for tasks that run here; trying again");
                shared.stats.store_failed();
                wanted.add(tasks);
                backoff.wait().await;
            }
        }
    }
}

/// Reads for one task after the other: one that cannot be read keeps nothing from the others. What failed is asked for again by the next poll.
async fn read_each<'a>(
    shared: &Shared,
    tasks: Vec<TaskId>,
    read: impl Fn(Vec<TaskId>) -> BoxFuture<'a, Result<(), StoreError>>,
) {
    for task in tasks {
        if let Err(error) = read(vec![task]).await {
            tracing::error!(%error, %task, "cannot read what was recorded for a task that runs here");
            shared.stats.store_failed();
        }
    }
}

async fn read_outcomes(shared: &Shared, tasks: Vec<TaskId>) -> Result<(), StoreError> {
    let live = tasks.into_iter().filter_map(|task| shared.live.get(task));
    let requests: Vec<_> = live
        .map(|handle| HistoryRequest {
            task: handle.task,
            after: handle.seen(),
            whole: false,
        })
        .collect();
    if requests.is_empty() {
        return Ok(());
    }
    for history in shared.store.history(requests).await? {
        if !history.entries.is_empty()
            && let Some(handle) = shared.live.get(history.task)
        {
            handle.tell(Event::News(history.entries));
        }
    }
    Ok(())
}

async fn read_cancels(shared: &Shared, mut tasks: Vec<TaskId>) -> Result<(), StoreError> {
    tasks.retain(|task| shared.live.get(*task).is_some());
    if tasks.is_empty() {
        return Ok(());
    }
    let query = TaskQuery {
        ids: Some(tasks),
        limit: defaults::PAGE_SIZE_MAX,
        ..TaskQuery::default()
    };
    for record in shared.store.tasks(query).await?.tasks {
        if record.task.cancel_requested
            && let Some(handle) = shared.live.get(record.task.id)
            && handle.fence == record.task.fence
        {
            handle.tell(Event::CancelRequested);
        }
    }
    Ok(())
}
