//! Two stores on one place, which take turns.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::select;
use stent_core::{ExecutionId, Store, StoreError, signal::SignalAnswer, store::*};

/// Sends every other request to the other store of the same place, as two processes would: a [`Harness`](crate::Harness) that opens its store
/// twice and gives this finds what one of them keeps in memory and the other does not see.
#[derive(Debug)]
pub struct Alternating<S> {
    stores: [S; 2],
    turn: AtomicUsize,
}

impl<S> Alternating<S> {
    /// Two stores on one file, one schema, one folder.
    pub const fn new(one: S, other: S) -> Self {
        Self {
            stores: [one, other],
            turn: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &S {
        &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait::async_trait]
impl<S: Store> Store for Alternating<S> {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        self.next().dispatch(request).await
    }
    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        self.next().declare(request).await
    }
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.next().claim(request).await
    }
    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        self.next().commit(request).await
    }
    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        self.next().renew(request).await
    }
    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        self.next().signal(request).await
    }
    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        self.next().cancel(executions).await
    }
    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        self.next().replay_dead_letters(executions).await
    }
    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.next().set_limit(request).await
    }
    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        self.next().clean_up(request).await
    }
    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        self.next().history(requests).await
    }
    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        self.next().executions(query).await
    }
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        self.next().tasks(query).await
    }
    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.next().functions().await
    }
    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        self.next().queues().await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.next().workers().await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.next().health().await
    }
    fn hints(&self) -> HintStream {
        let [one, other] = &self.stores;
        Box::pin(select(one.hints(), other.hints()))
    }
}
