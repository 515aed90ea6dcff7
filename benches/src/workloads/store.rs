//! The store alone, by its trait: what client and worker cost comes on top of this.

use std::{num::NonZeroU32, time::Duration};

use stent::store::{
    ClaimAnswer, ClaimMark, ClaimRequest, ClaimedTask, CommitRequest, DispatchRequest, Epoch,
    FunctionName, NewExecution, NewTask, Outcome, Payload, Priority, QueueName, TaskId, Timestamp,
    When, WorkerName,
    claim::Demand,
    commit::{TaskCommit, Then},
    defaults,
    lease::{LeaseDuration, LeaseTerms},
};

use crate::{
    Result,
    limit::Limit,
    measure::{Sample, Unit, now, rate},
    options::Options,
    stores::{Opened, StoreKind},
};

const TASKS: usize = 100_000;
const BATCH: usize = 1_000;

pub(super) async fn run(store: StoreKind, options: &Options, limit: &Limit) -> Result<Vec<Sample>> {
    let batches = options.scaled(TASKS).div_ceil(BATCH);
    let tasks = batches * BATCH;
    let opened = Opened::new(store, options).await?;
    let function = FunctionName::new("noop")?;
    let dispatching = dispatch(&opened, &function, batches).await?;
    let (claiming, committing) = drain(&opened, &function, batches).await?;
    let sample = |workload, took: Duration, limit, limit_is| {
        let value = rate(tasks, took);
        Sample::beside(workload, value, Unit::TasksPerSecond, limit, limit_is)
    };
    let bulk = limit.bulk();
    Ok(vec![
        sample("store_dispatch", dispatching, bulk.insert, "insert by 1000"),
        sample("store_claim", claiming, bulk.claim, "claim by 1000"),
        sample(
            "store_commit",
            committing,
            bulk.complete,
            "complete by 1000",
        ),
        sample(
            "store_drain",
            claiming + committing,
            bulk.drain(),
            "claim and complete by 1000",
        ),
    ])
}

async fn dispatch(opened: &Opened, function: &FunctionName, batches: usize) -> Result<Duration> {
    let mut took = Duration::ZERO;
    for batch in 0..batches {
        let executions = (0..BATCH)
            .map(|number| execution(function, batch * BATCH + number))
            .collect::<Result<_>>()?;
        let began = now();
        opened
            .store
            .dispatch(DispatchRequest { executions })
            .await?;
        took += began.elapsed();
    }
    Ok(took)
}

async fn drain(
    opened: &Opened,
    function: &FunctionName,
    batches: usize,
) -> Result<(Duration, Duration)> {
    let (mut claiming, mut committing) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..batches {
        let request = claim(function, u32::try_from(batch)?)?;
        let began = now();
        let ClaimAnswer {
            tasks: claimed,
            epoch,
            ..
        } = opened.store.claim(request).await?;
        claiming += began.elapsed();
        if claimed.len() != BATCH {
            return Err(format!("{} tasks were claimed instead of {BATCH}", claimed.len()).into());
        }
        let commits = claimed.into_iter().map(|one| end(one, epoch)).collect();
        let began = now();
        let answer = opened.store.commit(CommitRequest { commits }).await?;
        committing += began.elapsed();
        if answer.results.iter().any(|result| result.result.is_err()) {
            return Err("a commit was refused".into());
        }
    }
    Ok((claiming, committing))
}

/// An execution as a client would make it. Its id is of its time and otherwise spread over all values, as random numbers are.
fn execution(function: &FunctionName, number: usize) -> Result<NewExecution> {
    let mut random = [0; 10];
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random[..8].copy_from_slice(&spread.to_be_bytes());
    // Three hundred ids a millisecond, as a busy dispatcher makes them.
    let at = Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(number / 300)? * 1_000);
    Ok(NewExecution {
        root: NewTask {
            id: TaskId::from_parts(at, &random),
            function: function.clone(),
            queue: QueueName::default(),
            priority: Priority(0),
            due: When::Now,
            input: Payload::from_stored("[17]"),
            timeout: None,
            deadline: None,
        },
        idempotency_key: None,
        tags: Vec::new(),
    })
}

fn claim(function: &FunctionName, rotation: u32) -> Result<ClaimRequest> {
    Ok(ClaimRequest {
        terms: LeaseTerms {
            holder: WorkerName::new("worker-1")?,
            mark: ClaimMark(i64::from(rotation) + 1),
            duration: LeaseDuration::default(),
        },
        functions: vec![function.clone()],
        queues: None,
        demand: Demand {
            limit: u32::try_from(BATCH)?,
            rotation,
            accept_suspect: true,
        },
        crash_limit: NonZeroU32::MIN,
        look_ahead: defaults::POLL_INTERVAL,
        epoch: None,
    })
}

fn end(claimed: ClaimedTask, epoch: Epoch) -> TaskCommit {
    TaskCommit {
        task: claimed.task.id,
        fence: claimed.task.fence,
        number: 1,
        epoch,
        assumes: Vec::new(),
        writes: Vec::new(),
        then: Then::End(Outcome::Completed(Payload::null())),
    }
}
