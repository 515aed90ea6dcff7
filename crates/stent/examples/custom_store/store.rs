//! The `Store` trait: a lock around the tables, which makes each request one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use stent_core::{
    Clock, ExecutionId, Store, StoreError,
    defaults::{BATCH_MAX, TAGS_MAX},
    signal::SignalAnswer,
    store::{
        CancelAnswer, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest, CommitAnswer,
        CommitRequest, DeclareAnswer, DeclareRequest, DispatchAnswer, DispatchRequest,
        ExecutionPage, ExecutionQuery, FunctionRecord, HintStream, HistoryRequest, RenewAnswer,
        RenewRequest, ReplayAnswer, SetLimitRequest, SignalRequest, TaskHistory, TaskPage,
        TaskQuery, WorkerRecord,
    },
};

use crate::tables::{Limits, Tables};

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

    /// The same for a batch, which has to fit one transaction.
    fn batch<T>(&self, size: usize, request: impl FnOnce(&mut Tables) -> T) -> Answer<T> {
        if size > BATCH_MAX {
            let what = format!("a request has {size} elements; at most {BATCH_MAX} are allowed");
            return Err(StoreError::Refused { what });
        }
        self.transaction(request)
    }
}

#[async_trait::async_trait]
impl Store for ScanStore {
    async fn dispatch(&self, request: DispatchRequest) -> Answer<DispatchAnswer> {
        let mut executions = request.executions.iter();
        if executions.any(|one| one.tags.len() > TAGS_MAX) {
            let what = format!("an execution has too many tags; at most {TAGS_MAX} are allowed");
            return Err(StoreError::Refused { what });
        }
        self.batch(request.executions.len(), |tables| {
            let executions = request.executions.into_iter();
            let executions = executions.map(|one| tables.dispatch(one)).collect();
            DispatchAnswer { executions }
        })
    }

    async fn declare(&self, request: DeclareRequest) -> Answer<DeclareAnswer> {
        self.batch(request.functions.len(), |tables| {
            tables.heard_of(request.worker);
            let functions = request.functions.into_iter();
            let differences = functions.filter_map(|one| tables.declare(one)).collect();
            DeclareAnswer { differences }
        })
    }

    async fn claim(&self, request: ClaimRequest) -> Answer<ClaimAnswer> {
        self.transaction(|tables| tables.claim(&request))
    }

    async fn commit(&self, request: CommitRequest) -> Answer<CommitAnswer> {
        self.batch(request.commits.len(), |tables| tables.commit(request))
    }

    async fn renew(&self, request: RenewRequest) -> Answer<RenewAnswer> {
        self.batch(request.leases.len(), |tables| {
            tables.heard_of(request.worker.clone());
            let leases = tables.renew(&request);
            let now = tables.now;
            RenewAnswer { now, leases }
        })
    }

    async fn signal(&self, request: SignalRequest) -> Answer<Vec<SignalAnswer>> {
        self.batch(request.signals.len(), |tables| {
            let signals = request.signals.into_iter();
            signals.map(|one| tables.signal(one)).collect()
        })
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Answer<Vec<CancelAnswer>> {
        self.batch(executions.len(), |tables| {
            let executions = executions.into_iter();
            executions.map(|one| tables.cancel(one)).collect()
        })
    }

    async fn replay_dead_letters(&self, executions: Vec<ExecutionId>) -> Answer<Vec<ReplayAnswer>> {
        self.batch(executions.len(), |tables| {
            let executions = executions.into_iter();
            executions
                .map(|one| tables.replay_dead_letter(one))
                .collect()
        })
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Answer<()> {
        self.transaction(|tables| {
            let known = tables.functions.get(&request.function).copied();
            let limits = Limits {
                by_operator: request.max_concurrent,
                ..known.unwrap_or_default()
            };
            tables.change_limits(&request.function, limits);
        })
    }

    async fn clean_up(&self, request: CleanupRequest) -> Answer<CleanupAnswer> {
        self.transaction(|tables| tables.clean_up(&request))
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Answer<Vec<TaskHistory>> {
        self.batch(requests.len(), |tables| {
            let requests = requests.into_iter();
            requests.map(|one| tables.read_history(one)).collect()
        })
    }

    async fn executions(&self, query: ExecutionQuery) -> Answer<ExecutionPage> {
        self.transaction(|tables| tables.executions(&query))
    }

    async fn tasks(&self, query: TaskQuery) -> Answer<TaskPage> {
        self.transaction(|tables| tables.tasks(&query))
    }

    async fn functions(&self) -> Answer<Vec<FunctionRecord>> {
        self.transaction(|tables| tables.list_functions())
    }

    async fn workers(&self) -> Answer<Vec<WorkerRecord>> {
        self.transaction(|tables| tables.list_workers())
    }

    fn hints(&self) -> HintStream {
        // They may all be lost, and nothing depends on one.
        Box::pin(futures_util::stream::pending())
    }
}
