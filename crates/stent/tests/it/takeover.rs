//! Taking over: when a lease or a deadline passes, a worker that lives looks, and only then.

use std::{sync::Arc, time::Duration};

use stent::{
    prelude::*,
    store::{
        ClaimMark, ClaimRequest, FunctionName, WorkerName,
        claim::Demand,
        lease::{CrashLimit, LeaseDuration, LeaseTerms},
    },
};

use crate::{cut::CutStore, support::World};

const LEASE: Duration = Duration::from_secs(30);
/// So seldom that what happens earlier was not found by polling.
const POLL: Duration = Duration::from_secs(3_600);
/// Of a fleet.
const WORKERS: u32 = 20;

#[durable]
async fn greet() -> stent::Result<u32> {
    Ok(1)
}

#[durable]
async fn foreign() -> stent::Result<u32> {
    Ok(2)
}

#[durable(max_concurrent = 1)]
async fn single(seconds: u64) -> stent::Result<u32> {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok(3)
}

/// Claims one task for a worker that dies at once.
async fn claim_and_die(world: &World, function: &str) {
    let answer = world.store.claim(ClaimRequest {
        terms: LeaseTerms {
            holder: WorkerName::new("dead").unwrap(),
            mark: ClaimMark(1),
            duration: LeaseDuration::new(LEASE).unwrap(),
        },
        functions: vec![FunctionName::new(function).unwrap()],
        queues: None,
        demand: Demand {
            limit: 1,
            rotation: 0,
            accept_suspect: true,
        },
        crash_limit: CrashLimit::MIN,
        look_ahead: Duration::ZERO,
        epoch: None,
    });
    assert_eq!(answer.await.unwrap().tasks.len(), 1);
}

async fn start(world: &World, store: &Arc<CutStore>) -> Worker {
    Stent::new(Arc::clone(store) as _)
        .worker()
        .clock(Arc::clone(&world.clock) as _)
        .renew_on_own_thread(false)
        .poll_interval(POLL)
        .lease_duration(POLL)
        .register(functions![greet, single])
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_dead_worker_goes_on_when_its_lease_ends_and_not_at_the_next_poll() {
    let world = World::new();
    let handle = world.stent.dispatch(greet()).await.unwrap();
    claim_and_die(&world, "greet").await;
    let store = CutStore::deaf(Arc::clone(&world.store));
    let _worker = start(&world, &store).await;
    assert_eq!(handle.result().await.unwrap(), 1);
    let waited = world.elapsed();
    assert!(
        waited >= LEASE && waited < LEASE + Duration::from_secs(1),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_does_not_come_as_one_when_a_lease_ends_and_each_looks_once() {
    let world = World::new();
    let handle = world.stent.dispatch(greet()).await.unwrap();
    claim_and_die(&world, "greet").await;
    let store = CutStore::deaf(Arc::clone(&world.store));
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(start(&world, &store).await);
    }
    world.pass(LEASE - Duration::from_millis(1)).await;
    let before = store.claims();
    assert_eq!(before, WORKERS, "nobody looks before it ends");
    // The spread is a tenth of a second, which the first of a fleet hardly waits for.
    world.pass(Duration::from_millis(51)).await;
    let at_half = store.claims() - before;
    assert!(
        (1..WORKERS).contains(&at_half),
        "{at_half} of {WORKERS} in half of the spread"
    );
    assert_eq!(handle.result().await.unwrap(), 1);
    world.pass(POLL / 2).await;
    // One look each, and what one of them looks again for after it ran the task.
    let looks = store.claims() - before;
    assert!((WORKERS..WORKERS + 5).contains(&looks), "{looks} looks");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_and_leads_to_nothing_here_costs_one_look() {
    let world = World::new();
    let store = CutStore::deaf(Arc::clone(&world.store));
    let _worker = start(&world, &store).await;
    world.stent.dispatch(foreign()).await.unwrap();
    claim_and_die(&world, "foreign").await;
    let _runs = world.stent.dispatch(single(7_200)).await.unwrap();
    let _waits = world.stent.dispatch(single(1)).await.unwrap();
    // Its poll finds the first; from then on it knows of the foreign lease, which has ended.
    world.pass(POLL + POLL / 4).await;
    let before = store.claims();
    world.pass(POLL / 2).await;
    let looks = store.claims() - before;
    assert!(looks <= 2, "{looks} looks for what it cannot do");
}
