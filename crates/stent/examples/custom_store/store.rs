//! The `Store` trait: a lock around the tables, which makes each request one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use stent_core::{
    Clock, Epoch, ExecutionId, Store, StoreError,
    signal::SignalAnswer,
    store::{
        CancelAnswer, Checked, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest,
        CommitAnswer, CommitRequest, DeclareAnswer, DeclareRequest, DispatchAnswer,
        DispatchRequest, ExecutionPage, ExecutionQuery, FunctionRecord, Health, HintStream,
        HistoryRequest, QueueRecord, RenewAnswer, RenewRequest, ReplayAnswer, SetLimitRequest,
        SignalRequest, TaskHistory, TaskPage, TaskQuery, WorkerRecord,
    },
};

use crate::tables::Tables;

/// A store that looks at everything to answer anything.
#[derive(Debug)]
pub(crate) struct ScanStore {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

type Answer<T> = Result<T, StoreError>;

impl ScanStore {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let tables = Mutex::default();
        Self { clock, tables }
    }

    /// One request, which is one transaction: the rules refuse before anything is saved, so there is nothing to undo.
    fn transaction<T>(&self, request: impl FnOnce(&mut Tables) -> T) -> Answer<T> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.now = self.clock.now();
        Ok(request(&mut tables))
    }
}

#[async_trait::async_trait]
impl Store for ScanStore {
    async fn dispatch(&self, request: DispatchRequest) -> Answer<DispatchAnswer> {
        request.check()?;
        self.transaction(|tables| {
            let executions = request.executions.into_iter();
            let executions = executions.map(|one| tables.dispatch(one)).collect();
            DispatchAnswer { executions }
        })
    }

    async fn declare(&self, request: DeclareRequest) -> Answer<DeclareAnswer> {
        request.check()?;
        self.transaction(|tables| {
            tables.heard_of(request.worker);
            let functions = request.functions.into_iter();
            let differences = functions.filter_map(|one| tables.declare(&one)).collect();
            let epoch = Epoch::default();
            DeclareAnswer { differences, epoch }
        })
    }

    async fn claim(&self, request: ClaimRequest) -> Answer<ClaimAnswer> {
        self.transaction(|tables| tables.claim(&request))
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitAnswer> {
        request.check()?;
        self.transaction(|tables| tables.commit(request))
    }

    async fn renew(&self, request: RenewRequest) -> Answer<RenewAnswer> {
        request.check()?;
        self.transaction(|tables| {
            tables.heard_of(request.worker.clone());
            let leases = tables.renew(&request);
            let now = tables.now;
            let epoch = Epoch::default();
            RenewAnswer { now, leases, epoch }
        })
    }

    async fn signal(&self, request: SignalRequest) -> Answer<Vec<SignalAnswer>> {
        request.check()?;
        self.transaction(|tables| {
            let signals = request.signals.into_iter();
            signals.map(|one| tables.signal(one)).collect()
        })
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Answer<Vec<CancelAnswer>> {
        executions.check()?;
        self.transaction(|tables| {
            let executions = executions.into_iter();
            executions.map(|one| tables.cancel(one)).collect()
        })
    }

    async fn replay_dead_letters(&self, executions: Vec<ExecutionId>) -> Answer<Vec<ReplayAnswer>> {
        executions.check()?;
        self.transaction(|tables| {
            let executions = executions.into_iter();
            executions
                .map(|one| tables.replay_dead_letter(one))
                .collect()
        })
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Answer<()> {
        self.transaction(|tables| {
            let known = tables.functions.get(&request.function).copied();
            tables.change_limits(&request.function, request.replace(known));
        })
    }

    async fn clean_up(&self, request: CleanupRequest) -> Answer<CleanupAnswer> {
        self.transaction(|tables| tables.clean_up(&request))
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Answer<Vec<TaskHistory>> {
        requests.check()?;
        self.transaction(|tables| {
            let requests = requests.into_iter();
            requests.map(|one| tables.read_history(one)).collect()
        })
    }

    async fn executions(&self, query: ExecutionQuery) -> Answer<ExecutionPage> {
        query.check()?;
        self.transaction(|tables| tables.executions(&query))
    }

    async fn tasks(&self, query: TaskQuery) -> Answer<TaskPage> {
        query.check()?;
        self.transaction(|tables| tables.tasks(&query))
    }

    async fn functions(&self) -> Answer<Vec<FunctionRecord>> {
        self.transaction(|tables| tables.list_functions())
    }

    async fn queues(&self) -> Answer<Vec<QueueRecord>> {
        self.transaction(|tables| tables.list_queues())
    }

    async fn workers(&self) -> Answer<Vec<WorkerRecord>> {
        self.transaction(|tables| tables.list_workers())
    }

    async fn health(&self) -> Answer<Health> {
        self.transaction(|tables| Health::at(tables.now))
    }

    fn hints(&self) -> HintStream {
        // They may all be lost, and nothing depends on one.
        Box::pin(futures_util::stream::pending())
    }
}
