//! The store: a lock around the tables, and the clock.

use std::sync::{Arc, Mutex, MutexGuard};

use stent_core::{
    Clock, Epoch, ExecutionId, Hint, Store, StoreError, Timestamp,
    signal::SignalAnswer,
    store::{
        CancelAnswer, Checked, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest,
        CommitAnswer, CommitRequest, DeclareAnswer, DeclareRequest, DispatchAnswer,
        DispatchRequest, ExecutionPage, ExecutionQuery, FunctionRecord, Health, HintHub,
        HintStream, HistoryRequest, QueueRecord, RenewAnswer, RenewRequest, ReplayAnswer,
        SetLimitRequest, SignalRequest, TaskHistory, TaskPage, TaskQuery, WorkerRecord,
    },
};

use crate::{clock::SystemClock, tables::Tables};

/// Keeps executions in the memory of this process, as long as it lives.
///
/// It answers at once: no call waits for anything but the lock, under which no call waits.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    tables: Mutex<Tables>,
    hub: Arc<HintHub>,
}

/// One request at work: the tables, the store's time, and what is to be told afterwards.
pub(crate) struct Transaction<'t> {
    pub(crate) tables: &'t mut Tables,
    pub(crate) now: Timestamp,
    pub(crate) epoch: Epoch,
    pub(crate) hints: Vec<Hint>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store that goes by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that goes by a clock of the caller's, such as one that a test moves.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            epoch: Epoch::default(),
            tables: Mutex::default(),
            hub: Arc::default(),
        }
    }

    /// A store of its own that begins with what this one holds now, under the same clock: what is done to one, the other does not see.
    /// With it, every continuation of a state can be tried.
    ///
    /// # Errors
    /// [`StoreError::Final`] after a panic interrupted a request.
    pub fn fork(&self) -> Result<Self, StoreError> {
        Ok(Self {
            clock: Arc::clone(&self.clock),
            epoch: self.epoch,
            tables: Mutex::new(self.lock()?.clone()),
            hub: Arc::default(),
        })
    }

    /// The same store in another epoch: with what [`fork`](Self::fork) kept, that is a database which came back without its newest transactions.
    #[must_use]
    pub fn in_epoch(self, epoch: Epoch) -> Self {
        Self { epoch, ..self }
    }

    fn lock(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        self.tables.lock().map_err(|_| StoreError::Final {
            what: "the memory store is unusable since a panic interrupted one of its requests; make a new one".into(),
            source: None,
        })
    }

    /// Does a request that changes something, then tells those who listen.
    fn write<T>(&self, request: impl FnOnce(&mut Transaction<'_>) -> T) -> Result<T, StoreError> {
        let mut tables = self.lock()?;
        let mut transaction = Transaction {
            now: self.clock.now(),
            epoch: self.epoch,
            tables: &mut tables,
            hints: Vec::new(),
        };
        let answer = request(&mut transaction);
        let hints = transaction.hints;
        drop(tables);
        self.hub.tell(hints);
        Ok(answer)
    }

    fn read<T>(&self, request: impl FnOnce(&Tables) -> T) -> Result<T, StoreError> {
        Ok(request(&*self.lock()?))
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        request.check()?;
        self.write(|transaction| transaction.dispatch(request))
    }

    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        request.check()?;
        self.write(|transaction| transaction.declare(request))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        self.write(|transaction| transaction.claim(&request))
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        request.check()?;
        self.write(|transaction| transaction.commit(request))
    }

    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        request.check()?;
        self.write(|transaction| transaction.renew(request))
    }

    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        request.check()?;
        self.write(|transaction| transaction.signal(request))
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        executions.check()?;
        self.write(|transaction| transaction.cancel(&executions))
    }

    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        executions.check()?;
        self.write(|transaction| transaction.replay_dead_letters(&executions))
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.write(|transaction| transaction.set_limit(&request))
    }

    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        self.write(|transaction| transaction.clean_up(&request))
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        requests.check()?;
        self.read(|tables| requests.iter().map(|one| tables.history(*one)).collect())
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        query.check()?;
        self.read(|tables| tables.executions(&query))
    }

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        query.check()?;
        self.read(|tables| tables.tasks(&query))
    }

    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.read(Tables::functions)
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        let now = self.clock.now();
        self.read(|tables| tables.queues(now))
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        let now = self.clock.now();
        self.read(|tables| tables.workers(now))
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.write(|transaction| Health::at(transaction.now))
    }

    fn hints(&self) -> HintStream {
        Box::pin(self.hub.listen())
    }
}
