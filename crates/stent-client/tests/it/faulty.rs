//! A store between a client and the memory store, which counts, and fails as it is told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use stent_core::{
    ClaimMark, Epoch, ExecutionId, FunctionName, Outcome, Store, StoreError, WorkerName,
    claim::Demand,
    commit::{TaskCommit, Then},
    lease::{CrashLimit, LeaseDuration, LeaseTerms},
    signal::SignalAnswer,
    store::*,
};
use stent_store_memory::MemoryStore;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens, and it may be tried again.
    Before,
    /// It is applied, and nobody hears of it.
    After,
    /// It is refused for good.
    Refused,
    /// There is never an answer.
    Silence,
    /// It is answered.
    None,
}

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: MemoryStore,
    faults: Mutex<VecDeque<Fault>>,
    /// What becomes of requests when no fault is left.
    always: Mutex<Fault>,
    requests: AtomicUsize,
    deaf: AtomicBool,
    /// Hints of what has not happened.
    invented: Arc<HintHub>,
    /// No list that names it is answered.
    spoilt: Mutex<Option<ExecutionId>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faulty {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            faults: Mutex::default(),
            always: Mutex::new(Fault::None),
            requests: AtomicUsize::new(0),
            deaf: AtomicBool::new(false),
            invented: Arc::default(),
            spoilt: Mutex::new(None),
        })
    }

    /// The store without its faults.
    pub(crate) const fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    /// Ends every task that is due, as a worker would.
    pub(crate) async fn end_all(&self, outcome: impl Fn(&ClaimedTask) -> Outcome) {
        let request = ClaimRequest {
            terms: LeaseTerms {
                holder: WorkerName::new("test").unwrap(),
                mark: ClaimMark(7),
                duration: LeaseDuration::new(Duration::from_secs(60)).unwrap(),
            },
            functions: ["double", "join_words", "note"]
                .map(|name| FunctionName::new(name).unwrap())
                .to_vec(),
            queues: None,
            demand: Demand {
                limit: 10_000,
                rotation: 0,
                accept_suspect: false,
            },
            crash_limit: CrashLimit::MIN,
            look_ahead: Duration::ZERO,
            epoch: None,
        };
        let claimed = self.inner.claim(request).await.unwrap().tasks;
        let commits = claimed
            .iter()
            .map(|claimed| TaskCommit {
                task: claimed.task.id,
                fence: claimed.task.fence,
                number: 1,
                epoch: Epoch::default(),
                assumes: Vec::new(),
                writes: Vec::new(),
                then: Then::End(outcome(claimed)),
            })
            .collect();
        let answer = self.inner.commit(CommitRequest { commits }).await.unwrap();
        assert!(answer.results.iter().all(|result| result.result.is_ok()));
    }

    /// The next requests, one by one.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    /// All requests from now on.
    pub(crate) fn always(&self, fault: Fault) {
        *lock(&self.always) = fault;
    }

    /// Gives no hints from now on to those who begin to listen.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Tells those who listen what has not happened, so many times.
    pub(crate) fn invent(&self, hint: &stent_core::Hint, times: usize) {
        for _ in 0..times {
            self.invented.tell(vec![hint.clone()]);
        }
    }

    /// One row can no longer be read: whoever asks for it, among others or alone, is refused.
    pub(crate) fn spoil(&self, execution: ExecutionId) {
        *lock(&self.spoilt) = Some(execution);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn answer<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let fault = lock(&self.faults).pop_front();
        let fault = fault.unwrap_or_else(|| *lock(&self.always));
        let what = "the connection was lost".to_owned();
        match fault {
            Fault::None => request.await,
            Fault::Before => Err(StoreError::Retryable { what, source: None }),
            Fault::After => {
                request.await?;
                Err(StoreError::OutcomeUnknown { what, source: None })
            }
            Fault::Refused => Err(StoreError::Refused {
                what: "the request is wrong".to_owned(),
            }),
            Fault::Silence => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        self.answer(self.inner.dispatch(request)).await
    }
    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        self.answer(self.inner.declare(request)).await
    }
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.answer(self.inner.claim(request)).await
    }
    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        self.answer(self.inner.commit(request)).await
    }
    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        self.answer(self.inner.renew(request)).await
    }
    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        self.answer(self.inner.signal(request)).await
    }
    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        self.answer(self.inner.cancel(executions)).await
    }
    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        self.answer(self.inner.replay_dead_letters(executions))
            .await
    }
    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.answer(self.inner.set_limit(request)).await
    }
    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        self.answer(self.inner.clean_up(request)).await
    }
    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        self.answer(self.inner.history(requests)).await
    }
    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        // Others come to act between two requests, as they do beside a store that takes its time.
        tokio::task::yield_now().await;
        let spoilt = *lock(&self.spoilt);
        let mut ids = query.ids.iter().flatten();
        if ids.any(|id| Some(*id) == spoilt) {
            self.requests.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Final {
                what: "a row cannot be read".to_owned(),
                source: None,
            });
        }
        self.answer(self.inner.executions(query)).await
    }
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        self.answer(self.inner.tasks(query)).await
    }
    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.answer(self.inner.functions()).await
    }
    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        self.answer(self.inner.queues()).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.answer(self.inner.workers()).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.answer(self.inner.health()).await
    }
    fn hints(&self) -> HintStream {
        if self.deaf.load(Ordering::SeqCst) {
            Box::pin(stream::pending())
        } else {
            stream::select(self.inner.hints(), self.invented.listen()).boxed()
        }
    }
}
