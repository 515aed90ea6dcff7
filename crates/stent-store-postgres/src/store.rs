//! The store itself: each method of the contract is one transaction, or a few.

use std::{fmt, sync::Arc};

use stent_core::{
    ExecutionId, StoreError,
    signal::SignalAnswer,
    store::{
        CancelAnswer, Checked, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest,
        CommitAnswer, CommitRequest, DeclareAnswer, DeclareRequest, DispatchAnswer,
        DispatchRequest, ExecutionPage, ExecutionQuery, FunctionRecord, Health, HintStream,
        HistoryRequest, QueueRecord, RenewAnswer, RenewRequest, ReplayAnswer, SetLimitRequest,
        SignalRequest, Store, TaskHistory, TaskPage, TaskQuery, WorkerRecord,
    },
};

use crate::{
    OpenError, PostgresOptions, open,
    read::{Functions, Queues, Workers},
    shared::Shared,
    write::{CancelRequest, Claim, Claimed, HealthCheck, ReplayRequest, Sweep, Unsure, Untangle},
};

/// Stent's store on PostgreSQL. Clones share one pool of connections.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("schema", &self.shared.statements.schema())
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the database that a URL names, with the defaults of [`PostgresOptions`] for all that the URL does not say.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        PostgresOptions::from_url(url)?.open().await
    }

    pub(crate) async fn open_with(options: PostgresOptions) -> Result<Self, OpenError> {
        let opened = open::open(&options).await?;
        let shared = Shared::new(opened, options);
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    async fn dispatch(&self, request: DispatchRequest) -> Result<DispatchAnswer, StoreError> {
        request.check()?;
        self.shared.write_together(request).await
    }

    async fn declare(&self, request: DeclareRequest) -> Result<DeclareAnswer, StoreError> {
        request.check()?;
        self.shared.write(request).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<ClaimAnswer, StoreError> {
        let crash_limit = request.crash_limit;
        let mut stolen = Vec::new();
        let mut swept = None;
        let mut is_untangled = false;
        let unsure = Unsure::default();
        loop {
            let claim = Claim {
                request: request.clone(),
                swept: swept.clone(),
                is_untangled,
                unsure: unsure.clone(),
            };
            let claimed = match self.shared.write(claim).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    let terms = &request.terms;
                    let (answer, unreadable) = self.shared.resolve(error, &unsure, terms).await?;
                    Claimed::Done(answer, unreadable)
                }
            };
            match claimed {
                Claimed::Sweep => {
                    stolen = self.shared.write(Sweep { crash_limit }).await?;
                    swept = Some(stolen.iter().map(|one| one.task).collect());
                }
                Claimed::Untangle(starved) => {
                    self.shared.write(Untangle { starved }).await?;
                    is_untangled = true;
                }
                Claimed::Done(answer, unreadable) => {
                    if !unreadable.is_empty() {
                        let commits = unreadable;
                        self.shared.write(CommitRequest { commits }).await?;
                    }
                    return Ok(ClaimAnswer { stolen, ..answer });
                }
            }
        }
    }

    async fn commit(&self, request: CommitRequest) -> Result<CommitAnswer, StoreError> {
        request.check()?;
        self.shared.write(request).await
    }

    async fn renew(&self, request: RenewRequest) -> Result<RenewAnswer, StoreError> {
        request.check()?;
        self.shared.write(request).await
    }

    async fn signal(&self, request: SignalRequest) -> Result<Vec<SignalAnswer>, StoreError> {
        request.check()?;
        self.shared.write_together(request).await
    }

    async fn cancel(&self, executions: Vec<ExecutionId>) -> Result<Vec<CancelAnswer>, StoreError> {
        executions.check()?;
        self.shared.write(CancelRequest(executions)).await
    }

    async fn replay_dead_letters(
        &self,
        executions: Vec<ExecutionId>,
    ) -> Result<Vec<ReplayAnswer>, StoreError> {
        executions.check()?;
        self.shared.write(ReplayRequest(executions)).await
    }

    async fn set_limit(&self, request: SetLimitRequest) -> Result<(), StoreError> {
        self.shared.write(request).await
    }

    async fn clean_up(&self, request: CleanupRequest) -> Result<CleanupAnswer, StoreError> {
        self.shared.write(request).await
    }

    async fn history(&self, requests: Vec<HistoryRequest>) -> Result<Vec<TaskHistory>, StoreError> {
        requests.check()?;
        self.shared.read(requests).await
    }

    async fn executions(&self, query: ExecutionQuery) -> Result<ExecutionPage, StoreError> {
        query.check()?;
        self.shared.read(query).await
    }

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, StoreError> {
        query.check()?;
        self.shared.read(query).await
    }

    async fn functions(&self) -> Result<Vec<FunctionRecord>, StoreError> {
        self.shared.read(Functions).await
    }

    async fn queues(&self) -> Result<Vec<QueueRecord>, StoreError> {
        self.shared.read(Queues).await
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.shared.read(Workers).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.shared.write(HealthCheck).await
    }

    fn hints(&self) -> HintStream {
        let hints = self.shared.hub.listen();
        self.shared.wires.listen();
        Box::pin(hints)
    }
}
