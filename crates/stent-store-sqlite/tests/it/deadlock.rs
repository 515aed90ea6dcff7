//! Limits that wait for each other, on a file.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use stent_conformance::ManualClock;
use stent_core::{
    CallPosition, ClaimMark, Epoch, FailureKind, FunctionName, NewTask, Operation, Ordinal,
    Outcome, Store, WorkerName,
    claim::Demand,
    commit::{ChildRequest, HistoryWrite, TaskCommit, Then},
    lease::{LeaseDuration, LeaseTerms},
    limit::Limit,
    store::{
        ClaimRequest, ClaimedTask, CommitRequest, DeclareRequest, DispatchRequest,
        FunctionDeclaration, TaskQuery, WorkerReport,
    },
};
use stent_store_sqlite::SqliteOptions;

use stent_conformance::requests::{execution, new_id};

fn name(text: &str) -> FunctionName {
    FunctionName::new(text).unwrap()
}

async fn claim(store: &dyn Store) -> Vec<ClaimedTask> {
    let request = ClaimRequest {
        terms: LeaseTerms {
            holder: WorkerName::new("w").unwrap(),
            mark: ClaimMark(7),
            duration: LeaseDuration::default(),
        },
        functions: vec![name("a"), name("b")],
        queues: None,
        demand: Demand {
            limit: 10,
            rotation: 0,
            accept_suspect: true,
        },
        crash_limit: NonZeroU32::new(5).unwrap(),
        look_ahead: Duration::ZERO,
        epoch: None,
    };
    store.claim(request).await.unwrap().tasks
}

/// Calls another function and is suspended.
async fn call_and_wait(store: &dyn Store, caller: &ClaimedTask, function: &str) {
    let called = execution("1").root;
    let begin = HistoryWrite::Begin {
        position: CallPosition::FIRST,
        key: None,
        operation: Operation::Child {
            function: name(function),
            input: called.input.digest(),
        },
        after: Ordinal::NONE,
        child: Some(ChildRequest {
            task: NewTask {
                id: new_id(),
                function: name(function),
                ..called
            },
            start: None,
        }),
    };
    let commit = TaskCommit {
        task: caller.task.id,
        fence: caller.task.fence,
        number: 1,
        epoch: Epoch::default(),
        assumes: Vec::new(),
        writes: vec![begin],
        then: Then::Suspend {
            seen: Ordinal::NONE,
            attempt_ends: None,
        },
    };
    let request = CommitRequest {
        commits: vec![commit],
    };
    let answer = store.commit(request).await.unwrap();
    assert!(answer.results[0].result.is_ok());
}

#[tokio::test]
async fn of_two_executions_that_only_wait_for_each_others_slots_one_call_fails() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let store = SqliteOptions::new(folder.path().join("t.db"))
        .clock(clock)
        .open()
        .unwrap();
    let functions = ["a", "b"].map(|function| FunctionDeclaration {
        name: name(function),
        limit: Limit::new(1).ok(),
    });
    let worker = WorkerReport {
        name: WorkerName::new("w").unwrap(),
        capacity: 1,
        leased: 0,
        draining: false,
    };
    let request = DeclareRequest {
        worker,
        functions: functions.into(),
    };
    store.declare(request).await.unwrap();
    let mut executions = [execution("1"), execution("1")];
    executions[0].root.function = name("a");
    executions[1].root.function = name("b");
    let request = DispatchRequest {
        executions: executions.into(),
    };
    store.dispatch(request).await.unwrap();
    let claimed = claim(&store).await;
    assert_eq!(claimed.len(), 2);
    for caller in &claimed {
        let other = if caller.task.function == name("a") {
            "b"
        } else {
            "a"
        };
        call_and_wait(&store, caller, other).await;
    }
    let resumed = claim(&store).await;
    assert_eq!(
        resumed.len(),
        1,
        "the caller of the call that failed goes on"
    );
    let outcome = resumed[0].history[0].outcome.clone();
    assert!(
        matches!(outcome, Some(Outcome::Failed(failure)) if failure.kind() == FailureKind::SlotDeadlock)
    );
    let page = store.tasks(TaskQuery::default()).await.unwrap();
    assert_eq!(page.tasks.len(), 4);
}
