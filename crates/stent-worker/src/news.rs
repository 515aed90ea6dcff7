//! Fetches, for all tasks that wait here, the outcomes that others recorded for them: in one read for as many as asked.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use stent_core::{TaskId, defaults, store::HistoryRequest};
use tokio::sync::Notify;

use crate::{backoff::Backoff, context::lock, live::Event, shared::Shared};

/// Tasks whose news are wanted.
#[derive(Debug, Default)]
pub(crate) struct News {
    wanted: Mutex<BTreeSet<TaskId>>,
    wake: Notify,
}

impl News {
    /// Asks for what was recorded for a task since it looked last.
    pub(crate) fn want(&self, task: TaskId) {
        lock(&self.wanted).insert(task);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<TaskId> {
        let mut wanted = lock(&self.wanted);
        let mut taken = Vec::new();
        while taken.len() < defaults::COMMIT_BATCH
            && let Some(task) = wanted.pop_first()
        {
            taken.push(task);
        }
        taken
    }
}

/// Runs as long as the worker.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new(&shared);
    loop {
        let wanted = shared.news.take();
        if wanted.is_empty() {
            shared.news.wake.notified().await;
            continue;
        }
        let requests = wanted
            .iter()
            .filter_map(|task| shared.live.get(*task))
            .map(|handle| HistoryRequest {
                task: handle.task,
                after: handle.seen(),
                whole: false,
            })
            .collect::<Vec<_>>();
        if requests.is_empty() {
            continue;
        }
        match shared.store.history(requests).await {
            Ok(histories) => {
                backoff.reset();
                for history in histories.into_iter().filter(|h| !h.entries.is_empty()) {
                    if let Some(handle) = shared.live.get(history.task) {
                        handle.tell(Event::News(history.entries));
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read what was recorded for waiting tasks; trying again");
                shared.stats.store_failed();
                for task in wanted {
                    shared.news.want(task);
                }
                backoff.wait().await;
            }
        }
    }
}
