//! Requests, as short as a store's own tests need them: executions of the function `f`, claims by the worker `w`.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use stent_core::{
    ClaimMark, Epoch, ExecutionId, FunctionName, NewExecution, NewTask, Payload, Priority,
    QueueName, Store, StoreError, TaskId, Timestamp, When, WorkerName,
    claim::Demand,
    lease::{LeaseDuration, LeaseTerms},
    store::{ClaimRequest, ClaimedTask, DispatchRequest, ExecutionQuery},
};

/// An id that no process of this machine has used.
#[must_use]
pub fn new_id() -> TaskId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = u16::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).expect("few ids");
    let mut random = [0; 10];
    random[4..8].copy_from_slice(&std::process::id().to_be_bytes());
    random[8..].copy_from_slice(&number.to_be_bytes());
    TaskId::from_parts(Timestamp::from_micros(1_800_000_000_000_000), &random)
}

/// An execution with this input, a JSON document.
#[must_use]
pub fn execution(input: &str) -> NewExecution {
    NewExecution {
        root: NewTask {
            id: new_id(),
            function: FunctionName::new("f").expect("a name of the suite"),
            queue: QueueName::default(),
            priority: Priority(0),
            due: When::Now,
            input: Payload::from_stored(input),
            timeout: None,
            deadline: None,
        },
        idempotency_key: None,
        tags: Vec::new(),
    }
}

/// A request for one execution.
#[must_use]
pub fn one(execution: NewExecution) -> DispatchRequest {
    DispatchRequest {
        executions: vec![execution],
    }
}

/// Makes one execution.
///
/// # Errors
/// Those of the store.
pub async fn dispatch(store: &dyn Store, input: &str) -> Result<ExecutionId, StoreError> {
    let answer = store.dispatch(one(execution(input))).await?;
    Ok(answer.executions[0].execution())
}

/// A request for so many tasks of a function.
#[must_use]
pub fn claim_request(function: &str, limit: u32) -> ClaimRequest {
    ClaimRequest {
        terms: LeaseTerms {
            holder: WorkerName::new("w").expect("a name of the suite"),
            mark: ClaimMark(7),
            duration: LeaseDuration::default(),
        },
        functions: vec![FunctionName::new(function).expect("a name of the suite")],
        queues: None,
        demand: Demand {
            limit,
            rotation: 0,
            accept_suspect: true,
        },
        crash_limit: NonZeroU32::MIN,
        look_ahead: Duration::ZERO,
        epoch: None,
    }
}

/// The epoch in which a store is.
///
/// # Errors
/// Those of the store.
pub async fn epoch(store: &dyn Store) -> Result<Epoch, StoreError> {
    Ok(store.claim(claim_request("f", 0)).await?.epoch)
}

/// Claims so many tasks.
///
/// # Errors
/// Those of the store.
pub async fn claim(store: &dyn Store, limit: u32) -> Result<Vec<ClaimedTask>, StoreError> {
    Ok(store.claim(claim_request("f", limit)).await?.tasks)
}

/// The executions that there are, the newest thousand.
pub async fn executions(store: &dyn Store) -> Vec<ExecutionId> {
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    let page = store.executions(query).await;
    let page = page.expect("the store lists its executions");
    page.executions
        .iter()
        .map(|record| record.root.task.execution)
        .collect()
}
