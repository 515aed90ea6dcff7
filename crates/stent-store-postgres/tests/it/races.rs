//! Operations that meet on one row, in both orders: a third transaction holds what both must lock, and lets them go once both are seen to wait.

use std::{future::Future, num::NonZeroU32, sync::Arc, time::Duration};

use stent_core::{
    CallPosition, Epoch, ExecutionId, FunctionName, IdempotencyKey, NewExecution, Operation,
    Ordinal, Outcome, Payload, SignalId, SignalName, StateKind, Store, TaskId, WorkerName,
    commit::{Applied, ChildRequest, CommitRefused, HistoryWrite, TaskCommit, Then},
    lease::LeaseDuration,
    limit::Limit,
    signal::{NewSignal, SignalAnswer},
    store::{
        CancelAnswer, ClaimedTask, CleanupAnswer, CleanupRequest, CommitRequest, DeclareRequest,
        Dispatched, FunctionDeclaration, RenewRequest, RenewResult, SetLimitRequest, SignalRequest,
        TaskQuery, WorkerReport,
    },
};
use stent_store_postgres::PostgresStore;
use stent_test_postgres::Database;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::support;
use stent_conformance::requests::{claim, dispatch, execution, new_id, one};

/// Of a server that never took over from another.
const FIRST_EPOCH: Epoch = Epoch(1);

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// A store, and a transaction of somebody else.
struct World {
    store: Arc<PostgresStore>,
    gate: Client,
    watch: Client,
    _database: Database,
}

async fn client(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls)
        .await
        .expect("the server of the test");
    tokio::spawn(connection);
    client
}

impl World {
    async fn new() -> Self {
        Self::on(support::database()).await
    }

    async fn on(database: Database) -> Self {
        Self {
            store: Arc::new(support::open(database.url()).await),
            gate: client(&database).await,
            watch: client(&database).await,
            _database: database,
        }
    }

    /// Takes a lock until [`World::let_go`].
    async fn hold(&self, sql: &str) {
        let sql = format!("BEGIN; {sql}");
        self.gate.batch_execute(&sql).await.expect("a free lock");
    }

    async fn hold_task(&self, id: TaskId) {
        let lock = format!("SELECT 1 FROM stent.task_rows WHERE id = '{id}' FOR UPDATE");
        self.hold(&lock).await;
    }

    async fn hold_function(&self) {
        self.hold("SELECT pg_advisory_xact_lock(hashtextextended('stent.f', 0))")
            .await;
    }

    /// A claim waits for nobody, and takes this task alone.
    async fn claims_without_waiting(&self, task: TaskId) {
        let claimed = tokio::time::timeout(SOON, claim(&*self.store, 10)).await;
        let claimed = claimed.expect("it waits for nobody").expect("a claim");
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].task.id, task);
    }

    async fn let_go(&self) {
        let end = self.gate.batch_execute("ROLLBACK").await;
        end.expect("a transaction to end");
    }

    /// Waits until so many others are seen to wait for a lock.
    async fn sees_waiting(&self, count: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let seen = async {
            loop {
                let row = self.watch.query_one(waiting, &[]).await.expect("a count");
                if row.get::<_, i64>(0) == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = tokio::time::timeout(SOON, seen).await;
        seen.unwrap_or_else(|_| panic!("{count} were to wait for a lock"));
    }

    /// Does two things of which the first is the first to wait.
    async fn in_order<A: Send + 'static, B: Send + 'static>(
        &self,
        first: impl Future<Output = A> + Send + 'static,
        second: impl Future<Output = B> + Send + 'static,
    ) -> (A, B) {
        let first: JoinHandle<A> = tokio::spawn(first);
        self.sees_waiting(1).await;
        let second: JoinHandle<B> = tokio::spawn(second);
        self.sees_waiting(2).await;
        self.let_go().await;
        let both = async { (first.await.expect("done"), second.await.expect("done")) };
        tokio::time::timeout(SOON, both).await.expect("both end")
    }

    fn commit(
        &self,
        of: &ClaimedTask,
        number: u32,
        writes: Vec<HistoryWrite>,
        then: Then,
    ) -> impl Future<Output = Result<Applied, CommitRefused>> + Send + use<> {
        let commit = TaskCommit {
            task: of.task.id,
            fence: of.task.fence,
            number,
            epoch: FIRST_EPOCH,
            assumes: Vec::new(),
            writes,
            then,
        };
        let store = Arc::clone(&self.store);
        async move {
            let commits = vec![commit];
            let answer = store.commit(CommitRequest { commits }).await;
            answer.expect("a commit").results.remove(0).result
        }
    }

    fn cancel(&self, execution: ExecutionId) -> impl Future<Output = CancelAnswer> + Send + use<> {
        let store = Arc::clone(&self.store);
        async move { store.cancel(vec![execution]).await.expect("a cancel")[0] }
    }

    async fn state(&self, id: TaskId) -> StateKind {
        let query = TaskQuery {
            ids: Some(vec![id]),
            ..TaskQuery::default()
        };
        let page = self.store.tasks(query).await.expect("a page");
        page.tasks[0].task.state.kind()
    }

    /// A task that is leased.
    async fn start(&self) -> ClaimedTask {
        dispatch(&*self.store, "1").await.expect("a dispatch");
        let mut claimed = claim(&*self.store, 1).await.expect("a claim");
        claimed.pop().expect("one is due")
    }

    /// A leased task with a leased child.
    async fn start_family(&self) -> (ClaimedTask, ClaimedTask) {
        let parent = self.start().await;
        let child = execution("2").root;
        let begin = HistoryWrite::Begin {
            position: CallPosition(1),
            key: None,
            operation: Operation::Child {
                function: child.function.clone(),
                input: child.input.digest(),
            },
            after: Ordinal::NONE,
            child: Some(ChildRequest {
                task: child,
                start: None,
            }),
        };
        let made = self.commit(&parent, 1, vec![begin], Then::Continue).await;
        made.expect("its holder commits");
        let mut claimed = claim(&*self.store, 1).await.expect("a claim");
        (parent, claimed.pop().expect("the child is due"))
    }
}

fn suspend() -> Then {
    Then::Suspend {
        seen: Ordinal::NONE,
        attempt_ends: None,
    }
}

fn done() -> Then {
    Then::End(Outcome::Completed(Payload::null()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_ends_after_its_parent_suspended_wakes_it() {
    let world = World::new().await;
    let (parent, child) = world.start_family().await;
    world.hold_task(parent.task.id).await;
    let (suspended, ended) = world
        .in_order(
            world.commit(&parent, 2, Vec::new(), suspend()),
            world.commit(&child, 1, Vec::new(), done()),
        )
        .await;
    assert!(!suspended.expect("its holder commits").still_held);
    ended.expect("its holder commits");
    let woken = claim(&*world.store, 10).await.expect("a claim");
    assert_eq!(woken.len(), 1);
    assert_eq!(woken[0].task.id, parent.task.id);
    assert!(woken[0].history[0].outcome.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_suspends_after_its_child_ended_keeps_its_lease() {
    let world = World::new().await;
    let (parent, child) = world.start_family().await;
    world.hold_task(parent.task.id).await;
    let (ended, suspended) = world
        .in_order(
            world.commit(&child, 1, Vec::new(), done()),
            world.commit(&parent, 2, Vec::new(), suspend()),
        )
        .await;
    ended.expect("its holder commits");
    let suspended = suspended.expect("its holder commits");
    assert!(suspended.still_held);
    assert_eq!(suspended.deliveries, Ordinal(1));
}

fn wait() -> HistoryWrite {
    HistoryWrite::Begin {
        position: CallPosition(1),
        key: None,
        operation: Operation::Signal {
            name: SignalName::new("go").expect("a name"),
            timeout: None,
        },
        after: Ordinal::NONE,
        child: None,
    }
}

fn signal(world: &World, to: &ClaimedTask) -> impl Future<Output = SignalAnswer> + Send + use<> {
    let store = Arc::clone(&world.store);
    let signal = NewSignal {
        id: SignalId::from_uuid(*new_id().as_uuid()),
        execution: to.task.execution,
        name: SignalName::new("go").expect("a name"),
        payload: Payload::null(),
    };
    async move {
        let signals = vec![signal];
        store
            .signal(SignalRequest { signals })
            .await
            .expect("a signal")[0]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_received_whichever_comes_first() {
    for signal_first in [true, false] {
        let world = World::new().await;
        let task = world.start().await;
        world.hold_task(task.task.id).await;
        let waits = world.commit(&task, 1, vec![wait()], suspend());
        let sends = signal(&world, &task);
        let (waited, sent) = if signal_first {
            let (sent, waited) = world.in_order(sends, waits).await;
            (waited, sent)
        } else {
            world.in_order(waits, sends).await
        };
        assert_eq!(sent, SignalAnswer::Accepted);
        // Either it was there when it was asked for, or it wakes who asked.
        let still_held = waited.expect("its holder commits").still_held;
        assert_eq!(still_held, signal_first);
        let woken = claim(&*world.store, 10).await.expect("a claim");
        assert_eq!(woken.len(), usize::from(!signal_first));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_who_suspends_whichever_comes_first() {
    for cancel_first in [true, false] {
        let world = World::new().await;
        let (parent, child) = world.start_family().await;
        world.hold_task(parent.task.id).await;
        let suspends = world.commit(&parent, 2, Vec::new(), suspend());
        let cancels = world.cancel(parent.task.execution);
        let cancelled = if cancel_first {
            world.in_order(cancels, suspends).await.0
        } else {
            world.in_order(suspends, cancels).await.1
        };
        assert_eq!(cancelled, CancelAnswer::Requested);
        assert_eq!(world.state(parent.task.id).await, StateKind::Cancelled);
        let ended = world.commit(&child, 1, Vec::new(), done()).await;
        ended.expect("its holder commits");
        assert_eq!(world.state(child.task.id).await, StateKind::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_passes_over_what_others_hold() {
    let world = World::new().await;
    let held = dispatch(&*world.store, "1").await.expect("a dispatch");
    let free = dispatch(&*world.store, "2").await.expect("a dispatch");
    world.hold_task(held.root()).await;
    let claimed = tokio::time::timeout(SOON, claim(&*world.store, 10)).await;
    let claimed = claimed.expect("it waits for nobody").expect("a claim");
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.id, free.root());
    world.let_go().await;
}

fn claims(world: &World, limit: u32) -> impl Future<Output = usize> + Send + use<> {
    let store = Arc::clone(&world.store);
    async move { claim(&*store, limit).await.expect("a claim").len() }
}

fn set_limit(world: &World) -> impl Future<Output = ()> + Send + use<> {
    let store = Arc::clone(&world.store);
    async move {
        let limit = SetLimitRequest {
            function: FunctionName::new("f").expect("a name"),
            max_concurrent: NonZeroU32::new(1),
        };
        store.set_limit(limit).await.expect("a limit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_claim_the_last_slot_one_gets_it() {
    let world = World::new().await;
    set_limit(&world).await;
    for _ in 0..3 {
        dispatch(&*world.store, "1").await.expect("a dispatch");
    }
    world.hold_function().await;
    let (first, second) = world.in_order(claims(&world, 2), claims(&world, 2)).await;
    assert_eq!((first, second), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_just_before_a_function_becomes_limited_holds_its_slot() {
    let world = World::new().await;
    for _ in 0..3 {
        dispatch(&*world.store, "1").await.expect("a dispatch");
    }
    world.hold_function().await;
    let (claimed, ()) = world.in_order(claims(&world, 2), set_limit(&world)).await;
    assert_eq!(claimed, 2);
    let functions = world.store.functions().await.expect("functions");
    assert_eq!(functions[0].slots_held, 2);
    assert_eq!(claims(&world, 2).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_comes_after_the_limit_counts_by_it() {
    let world = World::new().await;
    for _ in 0..3 {
        dispatch(&*world.store, "1").await.expect("a dispatch");
    }
    world.hold_function().await;
    let ((), claimed) = world.in_order(set_limit(&world), claims(&world, 2)).await;
    assert_eq!(claimed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_passes_over_what_others_hold() {
    let world = World::new().await;
    let mut ended = Vec::new();
    for _ in 0..2 {
        let task = world.start().await;
        let done = world.commit(&task, 1, Vec::new(), done()).await;
        done.expect("its holder commits");
        ended.push(task.task.id);
    }
    world.hold_task(ended[0]).await;
    let cleanup = CleanupRequest {
        retention: Duration::ZERO,
        limit: 10,
        interval: None,
    };
    let cleaned = tokio::time::timeout(SOON, world.store.clean_up(cleanup)).await;
    let cleaned = cleaned.expect("it waits for nobody").expect("a cleanup");
    let (executions, more) = (1, false);
    assert_eq!(cleaned, CleanupAnswer::Deleted { executions, more });
    world.let_go().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_waits_for_one_that_is_at_it_and_finds_it_done() {
    let world = World::new().await;
    let task = world.start().await;
    let done = world.commit(&task, 1, Vec::new(), done()).await;
    done.expect("its holder commits");
    let cleanup = CleanupRequest {
        retention: Duration::ZERO,
        limit: 10,
        interval: Some(Duration::from_secs(3_600)),
    };
    let first = world.store.clean_up(cleanup).await.expect("a cleanup");
    assert!(matches!(first, CleanupAnswer::Deleted { .. }), "{first:?}");
    let due = "UPDATE stent.cleanup_schedule SET next_at = 1";
    world.gate.batch_execute(due).await.expect("a schedule");
    let moved_on = "UPDATE stent.cleanup_schedule SET next_at = stent.now_us() + 3600000000";
    world.hold(moved_on).await;
    let store = Arc::clone(&world.store);
    let second = tokio::spawn(async move { store.clean_up(cleanup).await });
    world.sees_waiting(1).await;
    world.gate.batch_execute("COMMIT").await.expect("an end");
    let second = second.await.expect("done").expect("a cleanup");
    assert!(matches!(second, CleanupAnswer::NotDue { .. }), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_passes_over_what_others_hold() {
    let world = World::new().await;
    let (held, free) = (world.start().await, world.start().await);
    let run_out = "UPDATE stent.task_rows SET lease_expires_at = 1";
    world.gate.batch_execute(run_out).await.expect("leases");
    world.hold_task(held.task.id).await;
    world.claims_without_waiting(free.task.id).await;
    world.let_go().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_transaction_gave_up_is_free() {
    let world = World::new().await;
    let take = format!(
        "INSERT INTO stent.idempotency_keys (idempotency_key, function, execution) VALUES ('k', 'f', '{}')",
        new_id()
    );
    world.hold(&take).await;
    let keyed = NewExecution {
        idempotency_key: Some(IdempotencyKey::new("k").expect("a key")),
        ..execution("1")
    };
    let store = Arc::clone(&world.store);
    let dispatching = tokio::spawn(async move { store.dispatch(one(keyed)).await });
    world.sees_waiting(1).await;
    world.let_go().await;
    let answer = dispatching.await.expect("done").expect("a dispatch");
    assert!(matches!(answer.executions[0], Dispatched::Created(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_read_holds_nobody_else_up() {
    let world = World::new().await;
    let (broken, task) = (world.start().await, world.start().await);
    let spoil = format!(
        "UPDATE stent.task_rows SET lease_expires_at = 1, commits = -1 WHERE id = '{}'",
        broken.task.id
    );
    world.gate.batch_execute(&spoil).await.expect("a task");
    let next = dispatch(&*world.store, "1").await.expect("a dispatch");
    let claimed = claim(&*world.store, 10).await.expect("a claim");
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.id, next.root());
    let ends = |of: &ClaimedTask| TaskCommit {
        task: of.task.id,
        fence: of.task.fence,
        number: 1,
        epoch: FIRST_EPOCH,
        assumes: Vec::new(),
        writes: Vec::new(),
        then: done(),
    };
    let commits = vec![ends(&broken), ends(&task)];
    let answer = world.store.commit(CommitRequest { commits }).await;
    let results = answer.expect("a commit").results;
    assert_eq!(results[0].result, Err(CommitRefused::LeaseLost));
    assert!(results[1].result.is_ok());
}

/// Puts children under a root, whose leases ran out first: more than a sweep looks at.
fn many_that_ran_out(root: TaskId) -> String {
    format!(
        "INSERT INTO stent.task_rows (id, execution, parent, position, lane, state, lease_expires_at, holder, queued_at, created_at, input)
         SELECT stent.new_id(stent.now_us()), '{root}', '{root}', number, 4, 2, 1, 'w', 1, 1, 'null'
         FROM generate_series(2, 1000) AS number"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_looks_behind_all_that_others_hold() {
    let world = World::new().await;
    let (held, free) = (world.start().await, world.start().await);
    let all = many_that_ran_out(held.task.id);
    world.gate.batch_execute(&all).await.expect("children");
    let run_out = format!(
        "UPDATE stent.task_rows SET lease_expires_at = 2 WHERE id = '{}'",
        free.task.id
    );
    world.gate.batch_execute(&run_out).await.expect("a lease");
    world.hold_task(held.task.id).await;
    world.claims_without_waiting(free.task.id).await;
    world.let_go().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_looks_behind_all_that_cannot_be_read() {
    let world = World::new().await;
    let (broken, free) = (world.start().await, world.start().await);
    let all = many_that_ran_out(broken.task.id);
    world.gate.batch_execute(&all).await.expect("children");
    let spoil = format!(
        "UPDATE stent.task_rows SET commits = -1 WHERE execution IS NOT NULL;
         UPDATE stent.task_rows SET lease_expires_at = 2 WHERE id = '{}'",
        free.task.id
    );
    world.gate.batch_execute(&spoil).await.expect("tasks");
    let claimed = claim(&*world.store, 10).await.expect("a claim");
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.id, free.task.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_starts_anew_is_in_no_deadlock_with_its_last_renewal() {
    let database = support::database();
    // A deadlock is left as it is.
    let found_late = format!(
        "ALTER DATABASE {} SET deadlock_timeout = '1h'",
        database.name()
    );
    database.sql(&found_late).expect("a setting");
    let world = World::on(database).await;
    let task = world.start().await;
    let worker = WorkerReport {
        name: WorkerName::new("w").expect("a name"),
        capacity: 1,
        leased: 1,
        draining: false,
    };
    let renewal = RenewRequest {
        worker: worker.clone(),
        duration: LeaseDuration::default(),
        leases: vec![(task.task.id, task.task.fence)],
    };
    let limited = DeclareRequest {
        worker,
        functions: vec![FunctionDeclaration {
            name: FunctionName::new("f").expect("a name"),
            limit: Some(Limit::new(1).expect("a limit")),
        }],
    };
    world.hold_task(task.task.id).await;
    let (renewing, declaring) = (Arc::clone(&world.store), Arc::clone(&world.store));
    let (renewed, declared) = world
        .in_order(async move { renewing.renew(renewal).await }, async move {
            declaring.declare(limited).await
        })
        .await;
    let renewed = renewed.expect("a renewal").leases;
    assert!(matches!(renewed[0], RenewResult::Renewed { .. }));
    declared.expect("a declaration");
}
