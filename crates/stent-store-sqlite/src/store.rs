//! The store itself: each method of the contract has its work done by the writer's thread or by a reading one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::Ordering},
};

use stent_core::{
    ExecutionId, StoreError,
    signal::SignalAnswer,
    store::{
        CancelAnswer, Checked, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest,
        CommitAnswer, CommitRequest, DeclareAnswer, DeclareRequest, DispatchAnswer,
        DispatchRequest, ExecutionPage, ExecutionQuery, FunctionRecord, Health, HintHub,
        HintStream, HistoryRequest, QueueRecord, RenewAnswer, RenewRequest, ReplayAnswer,
        SetLimitRequest, SignalRequest, Store, TaskHistory, TaskPage, TaskQuery, WorkerRecord,
    },
};

use crate::{
    OpenError, SqliteOptions, clock::StoreClock, open, place::Place, reader::Readers, watch::Watch,
    writer::Writer,
};

/// A store in one SQLite file. Several processes on one machine may use the file at once.
///
/// Dropping it waits until everything that was accepted is committed.
pub struct SqliteStore {
    path: PathBuf,
    place: Arc<Place>,
    clock: StoreClock,
    hub: Arc<HintHub>,
    /// Begun when someone listens for the first time; `None` where the kernel does not tell.
    watch: OnceLock<Option<Watch>>,
    // Dropped in this order: the writer last, because it removes the files beside the database.
    readers: Readers,
    writer: Writer,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// How much a store has written since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteCounts {
    /// Transactions that were committed.
    pub commits: u64,
    /// Requests that they held.
    pub requests: u64,
}

impl SqliteStore {
    /// Opens a database by its options; [`SqliteOptions::open`] says how.
    pub(crate) fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let opened = open::open(&options)?;
        let (path, clock) = (opened.path, options.clock);
        let place = Arc::new(opened.place);
        let hub = Arc::<HintHub>::default();
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let writer = Writer::start(
            opened.writer,
            Arc::clone(&place),
            clock.clone(),
            Arc::clone(&hub),
        )
        .map_err(failed)?;
        let readers = Readers::start(opened.readers, &place).map_err(failed)?;
        Ok(Self {
            path,
            place,
            clock,
            hub,
            watch: OnceLock::new(),
            readers,
            writer,
        })
    }

    /// The database's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn clock(&self) -> StoreClock {
        self.clock.clone()
    }

    fn start_watch(&self, tell: impl Fn() + Send + 'static) -> Option<Watch> {
        let watch = Watch::start(self.place.log(), &self.hub, tell);
        match watch {
            Ok(watch) => {
                self.writer.kernel_tells();
                Some(watch)
            }
            Err(error) => {
                tracing::debug!(%error, "the kernel does not tell of writes; the file is looked at instead");
                None
            }
        }
    }

    /// How much was written since it was opened: requests per commit tell how well writes are put together.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        let counts = self.writer.counts();
        WriteCounts {
            commits: counts.commits.load(Ordering::Relaxed),
            requests: counts.requests.load(Ordering::Relaxed),
        }
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        request.check()?;
        let elements = request.executions.len();
        self.writer
            .write("dispatch", elements, |session| session.dispatch(request))
            .await
    }

    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        request.check()?;
        let elements = request.functions.len();
        self.writer
            .write("declare", elements, move |session| {
                session.declare(&request)
            })
            .await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let elements = usize::try_from(request.demand.limit).unwrap_or(usize::MAX);
        self.writer
            .write("claim", elements, move |session| session.claim(&request))
            .await
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        request.check()?;
        let elements = request.commits.len();
        self.writer
            .write("commit", elements, |session| session.commit(request))
            .await
    }

    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        request.check()?;
        let elements = request.leases.len();
        self.writer
            .write("renew", elements, move |session| session.renew(&request))
            .await
    }

    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        request.check()?;
        let elements = request.signals.len();
        self.writer
            .write("signal", elements, |session| {
                session.signal(request.signals)
            })
            .await
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        executions.check()?;
        let elements = executions.len();
        self.writer
            .write("cancel", elements, move |session| {
                session.cancel(&executions)
            })
            .await
    }

    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        executions.check()?;
        let elements = executions.len();
        self.writer
            .write("replay_dead_letters", elements, move |session| {
                session.replay_dead_letters(&executions)
            })
            .await
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.writer
            .write("set_limit", 1, move |session| session.set_limit(&request))
            .await
    }

    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        let elements = usize::try_from(request.limit).unwrap_or(usize::MAX);
        self.writer
            .write("clean_up", elements, move |session| {
                session.clean_up(&request)
            })
            .await
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        requests.check()?;
        self.readers
            .read("history", move |snapshot| snapshot.histories(&requests))
            .await
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        query.check()?;
        self.readers
            .read("executions", move |snapshot| snapshot.executions(&query))
            .await
    }

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        query.check()?;
        self.readers
            .read("tasks", move |snapshot| snapshot.tasks(&query))
            .await
    }

    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.readers
            .read("functions", |snapshot| snapshot.functions())
            .await
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        let now = self.clock.wall();
        self.readers
            .read("queues", move |snapshot| snapshot.queues(now))
            .await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        let now = self.clock.wall();
        self.readers
            .read("workers", move |snapshot| snapshot.workers(now))
            .await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.writer
            .write("health", 1, |session| Ok(Health::at(session.now())))
            .await
    }

    fn hints(&self) -> HintStream {
        let listening = self.hub.listen();
        // From now on the thread that writes also looks for other processes' writes.
        let tell = self.writer.waker();
        tell();
        self.watch.get_or_init(|| self.start_watch(tell));
        Box::pin(listening)
    }
}
