//! One store under test, with its clock, and short ways to do things to it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use stent_core::{
    ClaimMark, Clock as _, Epoch, ExecutionId, Fence, HistoryEntry, NewExecution, NewTask, Payload,
    StateKind, Store, StoreError, Task, TaskId, Timestamp, WorkerName,
    claim::Demand,
    commit::{Applied, CommitRefused, HistoryWrite, TaskCommit, Then},
    lease::{CrashLimit, LeaseDuration, LeaseTerms},
    limit::Limit,
    signal::{NewSignal, SignalAnswer},
    store::{
        CancelAnswer, ClaimAnswer, ClaimRequest, CleanupAnswer, CleanupRequest, CommitRequest,
        CommitResult, DeclareAnswer, DeclareRequest, DispatchRequest, Dispatched, ExecutionRecord,
        FunctionDeclaration, FunctionRecord, HistoryRequest, RenewRequest, RenewResult,
        ReplayAnswer, SetLimitRequest, SignalRequest, StolenTask, TaskQuery, TaskRecord,
        WorkerReport,
    },
};

use crate::{
    Harness, ManualClock, Surroundings,
    visible::Visible,
    writes::{done, execution, function, new_mark, new_signal_id, payload, signal_name},
};

/// How long leases of the suite run.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// Makes the harness of one more store.
pub(crate) type MakeHarness = Arc<dyn Fn() -> Box<dyn Harness> + Send + Sync>;

/// One store under test.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    harness: Box<dyn Harness>,
    make: MakeHarness,
}

/// A task that a worker of the suite holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) task: Task,
    pub(crate) input: Payload,
    pub(crate) history: Vec<HistoryEntry>,
    /// The store's epoch when it was claimed.
    pub(crate) epoch: Epoch,
    /// The number of its newest commit.
    pub(crate) number: u32,
}

impl Held {
    /// A task with the fence that its claim handed out.
    pub(crate) fn new(task: Task, epoch: Epoch) -> Self {
        Self {
            task,
            epoch,
            input: Payload::null(),
            history: Vec::new(),
            number: 0,
        }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.task.id
    }

    pub(crate) fn fence(&self) -> Fence {
        self.task.fence
    }

    /// The next commit.
    pub(crate) fn next(&mut self, writes: Vec<HistoryWrite>, then: Then) -> TaskCommit {
        self.number += 1;
        TaskCommit {
            task: self.task.id,
            fence: self.task.fence,
            number: self.number,
            epoch: self.epoch,
            assumes: Vec::new(),
            writes,
            then,
        }
    }
}

pub(crate) fn worker(name: &str) -> WorkerReport {
    WorkerReport {
        name: WorkerName::new(name).expect("a name of the suite"),
        capacity: 8,
        leased: 0,
        draining: false,
    }
}

/// A claim of some functions, on all queues, for a lease of a minute.
pub(crate) fn claim_request(functions: &[&str], limit: u32) -> ClaimRequest {
    ClaimRequest {
        terms: lease_terms(new_mark()),
        functions: functions.iter().map(|name| function(name)).collect(),
        queues: None,
        demand: Demand {
            limit,
            rotation: 0,
            accept_suspect: true,
        },
        crash_limit: CrashLimit::new(2).expect("not zero"),
        look_ahead: Duration::from_secs(3_600),
        epoch: None,
    }
}

pub(crate) fn lease_terms(mark: ClaimMark) -> LeaseTerms {
    LeaseTerms {
        holder: worker("w1").name,
        mark,
        duration: LeaseDuration::new(LEASE).expect("a lease of the suite"),
    }
}

/// What a store answered; the suite's stores always answer.
pub(crate) fn answered<T>(what: &str, answer: Result<T, StoreError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => panic!("the store did not {what}: {error}"),
    }
}

impl Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl World {
    pub(crate) async fn open(make: MakeHarness) -> Self {
        let harness = make();
        let clock = Arc::new(ManualClock::new());
        Self {
            store: harness.open(Arc::clone(&clock)).await,
            clock,
            harness,
            make,
        }
    }

    /// Another store of the same kind, with a clock of its own.
    pub(crate) async fn another(&self) -> Self {
        Self::open(Arc::clone(&self.make)).await
    }

    /// The same data in a store that was opened anew, if the store keeps any.
    pub(crate) async fn reopened(self) -> Option<Self> {
        let Self {
            store,
            clock,
            harness,
            make,
        } = self;
        drop(store);
        let store = harness.reopen(Arc::clone(&clock)).await?;
        Some(Self {
            store,
            clock,
            harness,
            make,
        })
    }

    /// A further harness of the same kind, of which nothing was opened yet.
    pub(crate) fn another_place(&self) -> Box<dyn Harness> {
        (self.make)()
    }

    /// What may be wrong around a store of this kind.
    pub(crate) fn surroundings(&self) -> Vec<Box<dyn Surroundings>> {
        self.harness.surroundings()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn after(&self, seconds: u64) -> Timestamp {
        self.now().saturating_add(Duration::from_secs(seconds))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Makes an execution of one root task.
    pub(crate) async fn dispatch(&self, root: NewTask) -> ExecutionId {
        let answers = self.dispatch_all(vec![execution(root)]).await;
        match answers.as_slice() {
            [Dispatched::Created(id)] => *id,
            other => panic!("a new execution was not made: {other:?}"),
        }
    }

    pub(crate) async fn dispatch_all(&self, executions: Vec<NewExecution>) -> Vec<Dispatched> {
        let answer = self.store.dispatch(DispatchRequest { executions }).await;
        answered("dispatch", answer).executions
    }

    pub(crate) async fn claim_with(&self, request: ClaimRequest) -> ClaimAnswer {
        answered("claim", self.store.claim(request).await)
    }

    pub(crate) async fn claim(&self, functions: &[&str], limit: u32) -> Vec<Held> {
        let answer = self.claim_with(claim_request(functions, limit)).await;
        held(answer)
    }

    /// Claims the one task of a function that is due.
    pub(crate) async fn claim_one(&self, function: &str) -> Held {
        let mut claimed = self.claim(&[function], 1).await;
        claimed
            .pop()
            .unwrap_or_else(|| panic!("no task of `{function}` is due"))
    }

    /// Dispatches a task and claims it.
    pub(crate) async fn start(&self, root: NewTask) -> Held {
        let (name, id) = (root.function.clone(), self.dispatch(root).await);
        let claimed = self.claim_one(name.as_str()).await;
        assert_eq!(claimed.id(), id.root(), "another task was claimed");
        claimed
    }

    /// A claim for no tasks, which looks after leases and deadlines.
    pub(crate) async fn sweep(&self) -> Vec<StolenTask> {
        self.claim_with(claim_request(&[], 0)).await.stolen
    }

    pub(crate) async fn commit_all(&self, commits: Vec<TaskCommit>) -> Vec<CommitResult> {
        let answer = self.store.commit(CommitRequest { commits }).await;
        answered("commit", answer).results
    }

    pub(crate) async fn commit_one(&self, commit: TaskCommit) -> CommitResult {
        let mut results = self.commit_all(vec![commit]).await;
        assert_eq!(results.len(), 1, "one commit has one answer");
        results.remove(0)
    }

    /// Commits, and expects that it is applied.
    pub(crate) async fn write(
        &self,
        held: &mut Held,
        writes: Vec<HistoryWrite>,
        then: Then,
    ) -> Applied {
        let result = self.commit_one(held.next(writes, then)).await.result;
        result.unwrap_or_else(|refused| panic!("a commit was refused: {refused}"))
    }

    /// Commits, and expects that it is refused.
    pub(crate) async fn refused(
        &self,
        held: &mut Held,
        writes: Vec<HistoryWrite>,
        then: Then,
    ) -> CommitRefused {
        match self.commit_one(held.next(writes, then)).await.result {
            Err(refused) => refused,
            Ok(applied) => panic!("a commit was applied that must be refused: {applied:?}"),
        }
    }

    pub(crate) async fn complete(&self, held: &mut Held) {
        self.write(held, Vec::new(), done()).await;
    }

    /// Makes a child by a call at a position and claims it.
    pub(crate) async fn start_child(
        &self,
        parent: &mut Held,
        position: u32,
        child: NewTask,
    ) -> Held {
        let name = child.function.clone();
        let write = crate::writes::call(position, child);
        self.write(parent, vec![write], Then::Continue).await;
        self.claim_one(name.as_str()).await
    }

    pub(crate) async fn renew(&self, held: &Held) -> RenewResult {
        self.renew_for(held, LEASE).await
    }

    pub(crate) async fn renew_for(&self, held: &Held, span: Duration) -> RenewResult {
        let request = RenewRequest {
            worker: worker("w1"),
            duration: LeaseDuration::new(span).expect("a lease of the suite"),
            leases: vec![(held.id(), held.fence())],
        };
        let answer = answered("renew", self.store.renew(request).await);
        assert_eq!(answer.leases.len(), 1, "one lease has one answer");
        answer.leases.into_iter().next().expect("counted above")
    }

    pub(crate) async fn signal(&self, to: ExecutionId, name: &str, says: &str) -> SignalAnswer {
        let signal = NewSignal {
            id: new_signal_id(),
            execution: to,
            name: signal_name(name),
            payload: payload(says),
        };
        self.send(vec![signal]).await.remove(0)
    }

    pub(crate) async fn send(&self, signals: Vec<NewSignal>) -> Vec<SignalAnswer> {
        let answers = self.store.signal(SignalRequest { signals }).await;
        answered("signal", answers)
    }

    pub(crate) async fn cancel(&self, execution: ExecutionId) -> CancelAnswer {
        let answers = answered("cancel", self.store.cancel(vec![execution]).await);
        assert_eq!(answers.len(), 1, "one execution has one answer");
        answers.into_iter().next().expect("counted above")
    }

    pub(crate) async fn replay(&self, execution: ExecutionId) -> ReplayAnswer {
        let answers = self.store.replay_dead_letters(vec![execution]).await;
        let answers = answered("replay", answers);
        assert_eq!(answers.len(), 1, "one execution has one answer");
        answers.into_iter().next().expect("counted above")
    }

    pub(crate) async fn declare(&self, name: &str, limit: Option<Limit>) -> DeclareAnswer {
        let request = DeclareRequest {
            worker: worker("w1"),
            functions: vec![FunctionDeclaration {
                name: function(name),
                limit,
            }],
        };
        answered("declare", self.store.declare(request).await)
    }

    pub(crate) async fn set_limit(&self, name: &str, max_concurrent: Option<u32>) {
        let request = SetLimitRequest {
            function: function(name),
            max_concurrent: max_concurrent.and_then(std::num::NonZeroU32::new),
        };
        answered("set a limit", self.store.set_limit(request).await);
    }

    /// Deletes what ended more than so many seconds ago, whatever the schedule says.
    pub(crate) async fn clean_up(&self, retention: u64) -> CleanupAnswer {
        let request = CleanupRequest {
            retention: Duration::from_secs(retention),
            limit: 100,
            interval: None,
        };
        answered("clean up", self.store.clean_up(request).await)
    }

    pub(crate) async fn find(&self, id: TaskId) -> Option<TaskRecord> {
        let query = TaskQuery {
            ids: Some(vec![id]),
            payloads: true,
            ..TaskQuery::default()
        };
        let page = answered("list tasks", self.store.tasks(query).await);
        page.tasks.into_iter().next()
    }

    pub(crate) async fn task(&self, id: TaskId) -> TaskRecord {
        let record = self.find(id).await;
        record.unwrap_or_else(|| panic!("there is no task {id}"))
    }

    pub(crate) async fn state(&self, id: TaskId) -> StateKind {
        self.task(id).await.task.state.kind()
    }

    pub(crate) async fn history(&self, task: TaskId) -> Vec<HistoryEntry> {
        let request = HistoryRequest {
            task,
            after: stent_core::Ordinal::NONE,
            whole: true,
        };
        let histories = answered("read a history", self.store.history(vec![request]).await);
        let history = histories.into_iter().next();
        history.map(|history| history.entries).unwrap_or_default()
    }

    /// The entry of a history at a position.
    pub(crate) async fn entry(&self, task: TaskId, position: u32) -> HistoryEntry {
        let mut history = self.history(task).await.into_iter();
        history
            .find(|entry| entry.head.position.0 == position)
            .unwrap_or_else(|| panic!("the history has nothing at {position}"))
    }

    pub(crate) async fn function(&self, name: &str) -> FunctionRecord {
        let functions = answered("list functions", self.store.functions().await);
        let mut functions = functions.into_iter();
        functions
            .find(|function| function.name.as_str() == name)
            .unwrap_or_else(|| panic!("function `{name}` is not listed"))
    }

    pub(crate) async fn slots_held(&self, name: &str) -> u32 {
        self.function(name).await.slots_held
    }

    pub(crate) async fn executions(&self) -> Vec<ExecutionRecord> {
        crate::visible::executions(&*self.store).await
    }

    /// Everything that can be seen of the store.
    pub(crate) async fn visible(&self) -> Visible {
        Visible::of(&*self.store).await
    }
}

/// The tasks of an answer.
pub(crate) fn held(answer: ClaimAnswer) -> Vec<Held> {
    let epoch = answer.epoch;
    let tasks = answer.tasks.into_iter();
    let held = tasks.map(|claimed| Held {
        epoch,
        task: claimed.task,
        input: claimed.input,
        history: claimed.history,
        number: 0,
    });
    held.collect()
}
