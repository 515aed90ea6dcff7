//! A standby that is promoted without the newest transactions of the server before it.

use std::time::Duration;

use stent_core::{
    CallPosition, Epoch, Operation, Ordinal, Outcome, Payload, StateKind, StepName, Store,
    StoreError,
    commit::{Applied, CommitRefused, HistoryWrite, Place, TaskCommit, Then},
    lease::LeaseDuration,
    store::{
        ClaimAnswer, ClaimedTask, CommitRequest, ExecutionQuery, RenewAnswer, RenewRequest,
        WorkerReport,
    },
};
use stent_store_postgres::PostgresStore;
use stent_test_postgres::{Options, Stop};

use crate::support::{SOON, cluster, open, record};
use stent_conformance::requests::{claim_request, dispatch, execution, one};

/// The answer of a request that is sent again while the server is away.
async fn patiently<T>(request: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let asking = async {
        loop {
            match request().await {
                Ok(answer) => return answer,
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("it is to be answered: {error}"),
            }
        }
    };
    tokio::time::timeout(SOON, asking)
        .await
        .expect("the server is there")
}

async fn claim(store: &PostgresStore, epoch: Option<Epoch>) -> ClaimAnswer {
    let claims = async || {
        let mut request = claim_request("f", 10);
        request.epoch = epoch;
        store.claim(request).await
    };
    patiently(claims).await
}

/// A holder, and the number of its newest commit.
struct Holder<'s> {
    store: &'s PostgresStore,
    task: ClaimedTask,
    epoch: Epoch,
    number: u32,
}

impl Holder<'_> {
    async fn commit(
        &mut self,
        writes: Vec<HistoryWrite>,
        then: Then,
    ) -> Result<Applied, CommitRefused> {
        self.number += 1;
        let commit = TaskCommit {
            task: self.task.task.id,
            fence: self.task.task.fence,
            number: self.number,
            epoch: self.epoch,
            assumes: Vec::new(),
            writes,
            then,
        };
        let commits = async || {
            let commits = vec![commit.clone()];
            self.store.commit(CommitRequest { commits }).await
        };
        let mut answer = patiently(commits).await;
        answer.results.remove(0).result
    }

    async fn renew(&self) -> RenewAnswer {
        let renews = async || {
            self.store
                .renew(RenewRequest {
                    worker: WorkerReport {
                        name: claim_request("f", 0).terms.holder,
                        capacity: 1,
                        leased: 1,
                        draining: false,
                    },
                    duration: LeaseDuration::default(),
                    leases: vec![(self.task.task.id, self.task.task.fence)],
                })
                .await
        };
        patiently(renews).await
    }
}

fn step() -> HistoryWrite {
    HistoryWrite::Record {
        position: CallPosition::FIRST,
        key: None,
        operation: Operation::Step {
            name: StepName::new("s").unwrap(),
        },
        after: Ordinal::NONE,
        outcome: Outcome::Completed(Payload::from_stored("1")),
        place: Place::Next,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_took_over_is_another_epoch_and_a_restart_is_none() {
    let server = cluster(&Options::new());
    let store = open(&server.url("postgres")).await;
    let kept = dispatch(&store, "1").await.unwrap();
    let mut claimed = claim(&store, None).await;
    let first = claimed.epoch;
    let mut holder = Holder {
        store: &store,
        task: claimed.tasks.remove(0),
        epoch: first,
        number: 0,
    };
    holder.commit(Vec::new(), Then::Continue).await.unwrap();
    server.restart(Stop::Immediate).unwrap();
    holder.commit(Vec::new(), Then::Continue).await.unwrap();
    assert_eq!(claim(&store, Some(first)).await.epoch, first);

    server.keep_standby().unwrap();
    holder.commit(vec![step()], Then::Continue).await.unwrap();
    let lost = dispatch(&store, "2").await.unwrap();
    server.fail_over().unwrap();

    let refused = holder.commit(Vec::new(), Then::Continue).await;
    assert_eq!(refused, Err(CommitRefused::OtherEpoch));
    let second = holder.renew().await.epoch;
    assert_ne!(second, first);
    let nothing = claim(&store, Some(first)).await;
    assert!(nothing.tasks.is_empty());
    assert_eq!(nothing.epoch, second);
    holder.commit(Vec::new(), Then::Release).await.unwrap();
    let task = record(&store, *kept.as_uuid()).await.root.task;
    assert_eq!(task.state.kind(), StateKind::Pending);
    assert_eq!(task.crashes.total, 0);

    let claimed = claim(&store, Some(second)).await;
    let ids: Vec<_> = claimed.tasks.iter().map(|one| one.task.execution).collect();
    assert_eq!(
        ids,
        [kept],
        "{lost} is lost with what its dispatch committed"
    );
    assert_eq!(claimed.tasks[0].history, [], "so is the step");
    // What was lost can be made again.
    let again = one(execution("2"));
    store.dispatch(again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_tell_its_timeline_is_another_epoch_after_each_start() {
    let server = cluster(&Options::new());
    server
        .sql("postgres", "CREATE ROLE app LOGIN")
        .and_then(|_| server.sql("postgres", "CREATE DATABASE orders OWNER app"))
        .and_then(|_| {
            let hidden = "REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC";
            server.sql("orders", hidden)
        })
        .unwrap();
    let url = server.url("orders").replace("postgres@", "app@");
    let store = open(&url).await;
    let first = claim(&store, None).await.epoch;
    assert_eq!(claim(&store, None).await.epoch, first);
    server.restart(Stop::Immediate).unwrap();
    patiently(async || dispatch(&store, "1").await).await;
    assert_ne!(claim(&store, None).await.epoch, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_not_promoted_yet_is_met_with_retries() {
    let server = cluster(&Options::new());
    let store = open(&server.url("postgres")).await;
    dispatch(&store, "1").await.unwrap();
    let mut claimed = claim(&store, None).await;
    let mut holder = Holder {
        store: &store,
        task: claimed.tasks.remove(0),
        epoch: claimed.epoch,
        number: 0,
    };
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart(Stop::Fast).unwrap();
    // Its old connections fail first.
    for _ in 0..20 {
        let failed = dispatch(&store, "2").await.unwrap_err();
        assert!(failed.is_retryable(), "{failed:?}");
        let failed = store.executions(ExecutionQuery::default()).await;
        assert!(failed.is_ok() || failed.is_err_and(|error| error.is_retryable()));
    }
    server.promote().unwrap();
    let refused = holder.commit(Vec::new(), Then::Continue).await;
    assert_eq!(refused, Err(CommitRefused::OtherEpoch));
    patiently(async || dispatch(&store, "3").await).await;
}
