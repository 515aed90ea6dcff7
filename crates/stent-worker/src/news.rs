//! Fetches what others recorded for the tasks that run here, in one read for as many as asked: outcomes, and whether they are to be cancelled.
//!
//! **Invariant:** what a hint says is never believed: it only makes the worker look.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use stent_core::{
    StoreError, TaskId, defaults,
    store::{HistoryRequest, TaskQuery},
};
use tokio::sync::Notify;

use crate::{backoff::Backoff, context::lock, live::Event, shared::Shared};

/// Tasks whose news are wanted.
#[derive(Debug, Default)]
pub(crate) struct News {
    wanted: Mutex<BTreeSet<TaskId>>,
    /// Those that may have been cancelled.
    doubted: Mutex<BTreeSet<TaskId>>,
    wake: Notify,
}

impl News {
    /// Asks for what was recorded for a task since it looked last.
    pub(crate) fn want(&self, task: TaskId) {
        lock(&self.wanted).insert(task);
        self.wake.notify_one();
    }

    /// Asks whether a task is to be cancelled.
    pub(crate) fn doubt(&self, task: TaskId) {
        lock(&self.doubted).insert(task);
        self.wake.notify_one();
    }
}

/// Some of a set, as many as one read answers.
fn take(set: &Mutex<BTreeSet<TaskId>>) -> Vec<TaskId> {
    let mut set = lock(set);
    std::iter::from_fn(|| set.pop_first())
        .take(defaults::COMMIT_BATCH)
        .collect()
}

/// Runs as long as the worker.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(&*shared);
    loop {
        let (wanted, doubted) = (take(&shared.news.wanted), take(&shared.news.doubted));
        if wanted.is_empty() && doubted.is_empty() {
            shared.news.wake.notified().await;
            continue;
        }
        let outcomes = read_outcomes(&shared, &wanted).await;
        let cancels = read_cancels(&shared, &doubted).await;
        for (read, tasks, set) in [
            (&outcomes, wanted, &shared.news.wanted),
            (&cancels, doubted, &shared.news.doubted),
        ] {
            if let Err(error) = read {
                tracing::warn!(%error, "cannot read what was recorded for tasks that run here; trying again");
                shared.stats.store_failed();
                lock(set).extend(tasks);
            }
        }
        if outcomes.is_ok() && cancels.is_ok() {
            backoff.reset();
        } else {
            backoff.wait().await;
        }
    }
}

async fn read_outcomes(shared: &Shared, tasks: &[TaskId]) -> Result<(), StoreError> {
    let live = tasks.iter().filter_map(|task| shared.live.get(*task));
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

async fn read_cancels(shared: &Shared, tasks: &[TaskId]) -> Result<(), StoreError> {
    let live = tasks
        .iter()
        .filter(|task| shared.live.get(**task).is_some());
    let ids: Vec<_> = live.copied().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let query = TaskQuery {
        ids: Some(ids),
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
