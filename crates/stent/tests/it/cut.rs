//! A worker's connection to its store with faults: cut at the n-th commit (before it, or after it was applied and before its answer), down for a
//! while, slow, defective, out of order, or deaf to hints.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stent::store::{
    commit::{CommitRefused, HistoryWrite, TaskCommit},
    *,
};

/// When the connection is cut for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Never,
    Before(u32),
    After(u32),
    /// Not cut: the n-th commit is applied, and its answer lost.
    Unheard(u32),
}

/// What is answered to who reads histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Histories {
    Shown,
    /// The connection is gone.
    Hidden,
    /// They can never be read again.
    Lost,
    /// Nothing at all.
    Unanswered,
}

#[derive(Debug)]
pub(crate) struct CutStore {
    store: Mutex<Arc<dyn Store>>,
    cut: Cut,
    commits: AtomicU32,
    down: AtomicBool,
    deaf: bool,
    commit_takes: Duration,
    panics: AtomicBool,
    commit_panics: AtomicBool,
    claim_takes: Duration,
    claims: AtomicU32,
    history_takes: Duration,
    histories_read: AtomicU32,
    /// Every commit is refused as out of order.
    disordered: AtomicBool,
    /// The next commit is refused as built upon another past.
    contradicts: AtomicBool,
    histories: Mutex<Histories>,
    /// The answer of a commit that starts children is lost, and the store is down from then on.
    loses_start: AtomicBool,
    renew_connects: bool,
    renews: AtomicBool,
    renewals: AtomicU32,
    /// No request that names it is answered but as one that can never succeed.
    spoilt: Mutex<Option<TaskId>>,
    invented: Arc<HintHub>,
    committing: AtomicU32,
    committed_at_once: AtomicU32,
    largest_commit: AtomicUsize,
}

impl CutStore {
    pub(crate) fn new(store: Arc<dyn Store>, cut: Cut) -> Arc<Self> {
        Arc::new(Self::whole(store, cut))
    }

    fn whole(store: Arc<dyn Store>, cut: Cut) -> Self {
        Self {
            store: Mutex::new(store),
            cut,
            commits: AtomicU32::new(0),
            down: AtomicBool::new(false),
            deaf: false,
            commit_takes: Duration::ZERO,
            panics: AtomicBool::new(false),
            commit_panics: AtomicBool::new(false),
            claim_takes: Duration::ZERO,
            claims: AtomicU32::new(0),
            history_takes: Duration::ZERO,
            histories_read: AtomicU32::new(0),
            disordered: AtomicBool::new(false),
            contradicts: AtomicBool::new(false),
            histories: Mutex::new(Histories::Shown),
            loses_start: AtomicBool::new(false),
            renew_connects: false,
            renews: AtomicBool::new(true),
            renewals: AtomicU32::new(0),
            spoilt: Mutex::new(None),
            invented: Arc::default(),
            committing: AtomicU32::new(0),
            committed_at_once: AtomicU32::new(0),
            largest_commit: AtomicUsize::new(0),
        }
    }

    /// Never cut; each commit takes this long.
    pub(crate) fn slow(store: Arc<dyn Store>, commit_takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            commit_takes,
            ..Self::whole(store, Cut::Never)
        })
    }

    /// Panics when it is asked for work.
    pub(crate) fn panicking(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            panics: AtomicBool::new(true),
            ..Self::whole(store, Cut::Never)
        })
    }

    /// Never cut; each claim takes this long.
    pub(crate) fn slow_to_claim(store: Arc<dyn Store>, claim_takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            claim_takes,
            ..Self::whole(store, Cut::Never)
        })
    }

    /// Never cut; each reading of histories takes this long.
    pub(crate) fn slow_to_read(store: Arc<dyn Store>, history_takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            history_takes,
            ..Self::whole(store, Cut::Never)
        })
    }

    /// Makes a connection for each renewal, as one whose pool is empty does.
    pub(crate) fn connecting(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            renew_connects: true,
            ..Self::whole(store, Cut::Never)
        })
    }

    /// Refuses every commit from now on, as after a loss of the newest transactions.
    pub(crate) fn disorder(&self) {
        self.disordered.store(true, Ordering::SeqCst);
    }

    /// Panics when it is asked for work from now on.
    pub(crate) fn panic_at_claims(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Panics at each commit from now on.
    pub(crate) fn panic_at_commits(&self) {
        self.commit_panics.store(true, Ordering::SeqCst);
    }

    /// Refuses the next commit as built upon another past, and answers so to whoever asks what that is.
    pub(crate) fn contradict(&self, histories: Histories) {
        self.contradicts.store(true, Ordering::SeqCst);
        self.set_histories(histories);
    }

    pub(crate) fn set_histories(&self, histories: Histories) {
        *self.histories.lock().unwrap() = histories;
    }

    /// Loses the answer of the next commit that starts children, and is down then.
    pub(crate) fn lose_start(&self) {
        self.loses_start.store(true, Ordering::SeqCst);
    }

    /// Renews nothing from now on.
    pub(crate) fn stop_renewing(&self) {
        self.renews.store(false, Ordering::SeqCst);
    }

    /// One row can no longer be read: whoever asks for it, among others or alone, is refused.
    pub(crate) fn spoil(&self, task: TaskId) {
        *self.spoilt.lock().unwrap() = Some(task);
    }

    fn refuse_if_spoilt(&self, tasks: impl IntoIterator<Item = TaskId>) -> Result<(), StoreError> {
        let spoilt = *self.spoilt.lock().unwrap();
        match tasks.into_iter().find(|task| Some(*task) == spoilt) {
            None => Ok(()),
            Some(task) => Err(StoreError::Final {
                what: format!("task {task} cannot be read"),
                source: None,
            }),
        }
    }

    /// Renewals that were asked for, each of any number of leases.
    pub(crate) fn renewals(&self) -> u32 {
        self.renewals.load(Ordering::SeqCst)
    }

    /// Says something that is not so.
    pub(crate) fn invent(&self, hint: Hint) {
        self.invented.tell(vec![hint]);
    }

    pub(crate) fn claims(&self) -> u32 {
        self.claims.load(Ordering::SeqCst)
    }

    pub(crate) fn commits(&self) -> u32 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Readings of histories that were asked for, each of any number of tasks.
    pub(crate) fn histories_read(&self) -> u32 {
        self.histories_read.load(Ordering::SeqCst)
    }

    /// The most commits that were on their way at one time.
    pub(crate) fn committed_at_once(&self) -> u32 {
        self.committed_at_once.load(Ordering::SeqCst)
    }

    /// The most bytes of payloads in one commit.
    pub(crate) fn largest_commit(&self) -> usize {
        self.largest_commit.load(Ordering::SeqCst)
    }

    /// Never cut, and every hint is lost.
    pub(crate) fn deaf(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            deaf: true,
            ..Self::whole(store, Cut::Never)
        })
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.lock().unwrap())
    }

    /// Whoever is connected finds another store from now on.
    pub(crate) fn leads_to(&self, store: Arc<dyn Store>) {
        *self.store.lock().unwrap() = store;
    }

    /// Answers nothing from now on, or answers again.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Whether the cut was reached.
    pub(crate) fn is_cut(&self) -> bool {
        let commits = self.commits.load(Ordering::SeqCst);
        match self.cut {
            Cut::Never | Cut::Unheard(_) => false,
            Cut::Before(n) | Cut::After(n) => commits >= n,
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_cut() || self.down.load(Ordering::SeqCst) {
            Err(gone())
        } else {
            Ok(())
        }
    }
}

fn starts_children(request: &CommitRequest) -> bool {
    let mut writes = request.commits.iter().flat_map(|commit| &commit.writes);
    writes.any(|write| {
        matches!(write, HistoryWrite::Begin { child: Some(child), .. } if child.start.is_some())
    })
}

fn all_refused(request: &CommitRequest, refused: impl Fn(u32) -> CommitRefused) -> CommitAnswer {
    let results = request.commits.iter().map(|commit| CommitResult {
        task: commit.task,
        number: commit.number,
        result: Err(refused(commit.number)),
        delivered: None,
    });
    CommitAnswer {
        now: Timestamp::MIN,
        results: results.collect(),
    }
}

fn gone() -> StoreError {
    StoreError::Retryable {
        what: "the connection was cut".to_owned(),
        source: None,
    }
}

#[async_trait]
impl Store for CutStore {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        self.check()?;
        self.store().dispatch(request).await
    }
    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        self.check()?;
        self.store().declare(request).await
    }
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let panics = self.panics.load(Ordering::SeqCst);
        assert!(!panics, "a defect of the store");
        self.check()?;
        self.claims.fetch_add(1, Ordering::SeqCst);
        let answer = self.store().claim(request).await;
        tokio::time::sleep(self.claim_takes).await;
        answer
    }
    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        self.check()?;
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let at_once = self.committing.fetch_add(1, Ordering::SeqCst) + 1;
        self.committed_at_once.fetch_max(at_once, Ordering::SeqCst);
        let bytes = request.commits.iter().map(TaskCommit::payload_bytes).sum();
        self.largest_commit.fetch_max(bytes, Ordering::SeqCst);
        let panics = self.commit_panics.load(Ordering::SeqCst);
        assert!(!panics, "a defect of the store");
        tokio::time::sleep(self.commit_takes).await;
        self.committing.fetch_sub(1, Ordering::SeqCst);
        if self.disordered.load(Ordering::SeqCst) {
            let refused = |number| CommitRefused::OutOfOrder { number, applied: 0 };
            return Ok(all_refused(&request, refused));
        }
        if self.contradicts.swap(false, Ordering::SeqCst) {
            return Ok(all_refused(&request, |_| CommitRefused::Stale));
        }
        if starts_children(&request) && self.loses_start.swap(false, Ordering::SeqCst) {
            self.store().commit(request).await?;
            self.set_down(true);
            return Err(gone());
        }
        match self.cut {
            Cut::Before(n) if n == number => Err(gone()),
            Cut::After(n) | Cut::Unheard(n) if n == number => {
                self.store().commit(request).await?;
                Err(StoreError::OutcomeUnknown {
                    what: "the connection was cut".to_owned(),
                    source: None,
                })
            }
            Cut::Never | Cut::Before(_) | Cut::After(_) | Cut::Unheard(_) => {
                self.store().commit(request).await
            }
        }
    }
    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        self.check()?;
        if !self.renews.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.refuse_if_spoilt(request.leases.iter().map(|(task, _)| *task))?;
        if !request.leases.is_empty() {
            self.renewals.fetch_add(1, Ordering::SeqCst);
        }
        if self.renew_connects {
            let nobody = tokio::net::TcpStream::connect("127.0.0.1:1").await;
            assert!(nobody.is_err(), "nobody listens there");
        }
        self.store().renew(request).await
    }
    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        self.check()?;
        self.store().signal(request).await
    }
    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        self.check()?;
        self.store().cancel(executions).await
    }
    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        self.check()?;
        self.store().replay_dead_letters(executions).await
    }
    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.check()?;
        self.store().set_limit(request).await
    }
    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        self.check()?;
        self.store().clean_up(request).await
    }
    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        let answers = *self.histories.lock().unwrap();
        match answers {
            Histories::Shown => {}
            Histories::Hidden => return Err(gone()),
            Histories::Lost => {
                return Err(StoreError::Final {
                    what: "the history cannot be read".to_owned(),
                    source: None,
                });
            }
            Histories::Unanswered => std::future::pending().await,
        }
        self.check()?;
        self.refuse_if_spoilt(requests.iter().map(|request| request.task))?;
        self.histories_read.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.history_takes).await;
        self.store().history(requests).await
    }
    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        self.check()?;
        self.store().executions(query).await
    }
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        self.check()?;
        self.store().tasks(query).await
    }
    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.check()?;
        self.store().functions().await
    }
    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        self.check()?;
        self.store().queues().await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.check()?;
        self.store().workers().await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.check()?;
        self.store().health().await
    }
    fn hints(&self) -> HintStream {
        if self.deaf {
            return Box::pin(futures_util::stream::pending());
        }
        let invented = self.invented.listen();
        Box::pin(futures_util::stream::select(self.store().hints(), invented))
    }
}
