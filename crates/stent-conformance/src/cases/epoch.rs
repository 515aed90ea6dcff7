//! The store's epoch: what goes by another past is not taken for the truth.
//!
//! That the number changes when the database comes back without its newest transactions is each store's own business, and to be shown by its own tests.

use stent_core::{
    Epoch, State, StateKind,
    commit::{CommitRefused, TaskCommit, Then},
    lease::LeaseDuration,
    store::RenewRequest,
};

use crate::{
    world::{LEASE, World, answered, claim_request, held, worker},
    writes::{done, failure, sleep, step, task, value, waits},
};

const fn other(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.wrapping_add(1))
}

pub(crate) async fn every_answer_to_a_worker_names_the_same_epoch(world: World) {
    let declared = world.declare("f", None).await.epoch;
    world.dispatch(task("f")).await;
    let claimed = world.claim_with(claim_request(&["f"], 1)).await;
    let idle = world.claim_with(claim_request(&["f"], 1)).await;
    let request = RenewRequest {
        worker: worker("w1"),
        duration: LeaseDuration::new(LEASE).expect("a lease of the suite"),
        leases: Vec::new(),
    };
    let renewed = answered("renew", world.store.renew(request).await);
    assert_eq!(
        [claimed.epoch, idle.epoch, renewed.epoch],
        [declared; 3],
        "nothing was lost between them"
    );
}

pub(crate) async fn a_claim_of_another_epoch_takes_no_tasks(world: World) {
    let id = world.dispatch(task("f")).await;
    let epoch = world.claim_with(claim_request(&[], 0)).await.epoch;
    let asks = |epoch| {
        let mut request = claim_request(&["f"], 1);
        request.epoch = Some(epoch);
        request
    };
    let nothing = world.claim_with(asks(other(epoch))).await;
    assert!(nothing.tasks.is_empty());
    assert_eq!(nothing.epoch, epoch);
    let found = held(world.claim_with(asks(epoch)).await);
    assert_eq!(found[0].id(), id.root());
}

pub(crate) async fn a_claim_of_another_epoch_looks_after_leases_all_the_same(world: World) {
    let lost = world.start(task("f")).await;
    world.advance(LEASE.as_secs() + 1);
    let mut request = claim_request(&["f"], 1);
    request.epoch = Some(other(lost.epoch));
    let answer = world.claim_with(request).await;
    assert_eq!(answer.stolen[0].task, lost.id());
    assert!(answer.tasks.is_empty());
    assert_eq!(world.state(lost.id()).await, StateKind::Pending);
}

/// The commit of a holder that claimed its task before the store lost something.
fn of_other_epoch(commit: TaskCommit) -> TaskCommit {
    TaskCommit {
        epoch: other(commit.epoch),
        ..commit
    }
}

pub(crate) async fn what_a_holder_of_another_epoch_writes_changes_nothing(world: World) {
    let mut held = world.start(task("f")).await;
    let before = world.visible().await;
    let fails = Then::Fail {
        failure: failure("broken"),
        policy: stent_core::retry::RetryPolicy::default(),
        random: 0,
    };
    for then in [Then::Continue, done(), fails, waits(0), Then::Release] {
        let writes = vec![step(1, "s", value("1")), sleep(2, LEASE)];
        let commit = of_other_epoch(held.clone().next(writes, then));
        let refused = world.commit_one(commit).await.result;
        assert_eq!(refused, Err(CommitRefused::OtherEpoch));
    }
    for then in [Then::Continue, done(), waits(0)] {
        let commit = of_other_epoch(held.clone().next(Vec::new(), then));
        let refused = world.commit_one(commit).await.result;
        assert_eq!(refused, Err(CommitRefused::OtherEpoch));
    }
    assert_eq!(world.visible().await, before);
    world.complete(&mut held).await;
}

pub(crate) async fn a_holder_of_another_epoch_may_give_its_task_back(world: World) {
    let mut held = world.start(task("f")).await;
    world
        .write(&mut held, vec![step(1, "s", value("1"))], Then::Continue)
        .await;
    // The commits between are lost.
    held.number += 3;
    let release = of_other_epoch(held.next(Vec::new(), Then::Release));
    let applied = world.commit_one(release.clone()).await.result;
    assert!(!applied.expect("it only gives back").still_held);
    let kept = world.task(held.id()).await.task;
    assert!(matches!(kept.state, State::Pending { .. }));
    assert_eq!((kept.crashes.total, kept.failed_attempts), (0, 0));
    let again = world.commit_one(release).await.result;
    assert!(again.expect("it had been applied").repeated);
    let mut next = world.claim_one("f").await;
    assert_eq!(next.history.len(), 1);
    world.complete(&mut next).await;
}

pub(crate) async fn what_was_applied_is_known_in_every_epoch(world: World) {
    let mut held = world.start(task("f")).await;
    let commit = held.next(vec![step(1, "s", value("1"))], Then::Continue);
    let first = world.commit_one(commit.clone()).await.result;
    assert!(!first.expect("it is the first").repeated);
    let again = world.commit_one(of_other_epoch(commit)).await.result;
    assert!(again.expect("it had been applied").repeated);
    let end = held.next(Vec::new(), done());
    let first = world.commit_one(end.clone()).await.result;
    assert!(first.expect("it is the first").ended.is_some());
    let again = world.commit_one(of_other_epoch(end)).await.result;
    assert_eq!(
        again.expect("it had been applied").ended,
        Some(StateKind::Completed)
    );
}

pub(crate) async fn another_epoch_gives_nobody_a_lease(world: World) {
    let mut late = world.start(task("f")).await;
    world.advance(LEASE.as_secs() + 1);
    let mut newest = world.claim_one("f").await;
    let before = world.visible().await;
    for then in [Then::Release, done()] {
        let commit = of_other_epoch(late.next(Vec::new(), then));
        let refused = world.commit_one(commit).await.result;
        assert_eq!(refused, Err(CommitRefused::LeaseLost));
    }
    assert_eq!(world.visible().await, before);
    world.complete(&mut newest).await;
}
