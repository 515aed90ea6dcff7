//! The exclusive right to run: fences, renewal, running out, giving back.

use std::time::Duration;

use stent_core::{
    Crashes, Fence, FencingToken, Ordinal, State, StateKind,
    commit::{CommitRefused, Then},
    defaults,
    store::{RenewRequest, RenewResult},
};

use crate::{
    world::{Held, LEASE, World, answered, claim_request, held, worker},
    writes::{abandon, attempt_failed, call, done, seconds, sleep, step, task, value},
};

pub(crate) async fn a_claim_leases_from_the_stores_now(world: World) {
    let claimed = world.start(task("f")).await;
    assert_eq!(
        claimed.task.state,
        State::Running {
            holder: worker("w1").name,
            expires_at: world.now().saturating_add(LEASE),
        }
    );
    assert_eq!(world.task(claimed.id()).await.task, claimed.task);
}

pub(crate) async fn a_leased_task_is_not_claimed_again(world: World) {
    world.start(task("f")).await;
    world.advance(59);
    assert!(world.claim(&["f"], 1).await.is_empty());
}

pub(crate) async fn a_task_whose_lease_ran_out_is_stolen(world: World) {
    let first = world.start(task("f")).await;
    world.advance(60);
    let answer = world.claim_with(claim_request(&["f"], 1)).await;
    let stolen = &answer.stolen;
    assert_eq!(stolen.len(), 1);
    assert_eq!(
        (stolen[0].task, &stolen[0].from, stolen[0].crashes),
        (first.id(), &worker("w1").name, 1)
    );
    let second = held(answer).remove(0);
    assert_eq!(second.id(), first.id());
    assert!(second.fence().token > first.fence().token);
    assert_eq!(second.task.failed_attempts, 0, "a crash is no attempt");
}

pub(crate) async fn a_stolen_task_refuses_the_late_outcome(world: World) {
    let mut late = world.start(task("f")).await;
    world.advance(60);
    let thief = world.claim_one("f").await;
    let before = world.visible().await;
    let refused = world.refused(&mut late, Vec::new(), done()).await;
    assert_eq!(refused, CommitRefused::LeaseLost);
    assert_eq!(world.visible().await, before);
    assert_eq!(world.task(thief.id()).await.task, thief.task);
}

pub(crate) async fn a_late_holder_changes_nothing_at_all(world: World) {
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![sleep(1, seconds(5))], Then::Continue)
        .await;
    world.advance(60);
    world.claim_one("f").await;
    let before = world.visible().await;
    let attempts = [
        (vec![call(2, task("child"))], Then::Continue),
        (vec![step(2, "s", value("1"))], Then::Continue),
        (vec![abandon(1, 0)], Then::Continue),
        (
            vec![],
            Then::Suspend {
                seen: Ordinal::NONE,
                attempt_ends: None,
            },
        ),
        (vec![], Then::Release),
        (vec![], attempt_failed(9)),
        (vec![], done()),
    ];
    for (writes, then) in attempts {
        let mut late = parent.clone();
        let refused = world.refused(&mut late, writes, then).await;
        assert_eq!(refused, CommitRefused::LeaseLost);
        assert_eq!(world.visible().await, before);
    }
}

pub(crate) async fn the_same_worker_under_the_same_name_is_another_holder(world: World) {
    let old = world.start(task("f")).await;
    world.advance(60);
    let new = world.claim_one("f").await;
    assert_eq!(world.renew(&old).await, RenewResult::LeaseLost);
    assert!(matches!(
        world.renew(&new).await,
        RenewResult::Renewed { .. }
    ));
}

pub(crate) async fn the_token_alone_is_no_fence(world: World) {
    let claimed = world.start(task("f")).await;
    let mut forged = claimed.clone();
    forged.task.fence.mark.0 += 1;
    assert_eq!(
        world.refused(&mut forged, Vec::new(), done()).await,
        CommitRefused::LeaseLost
    );
    assert_eq!(world.renew(&forged).await, RenewResult::LeaseLost);
}

pub(crate) async fn the_mark_alone_is_no_fence(world: World) {
    let claimed = world.start(task("f")).await;
    for token in [0, claimed.fence().token.0 + 1, i64::MAX, -1] {
        let mut forged = claimed.clone();
        forged.task.fence = Fence {
            token: FencingToken(token),
            mark: claimed.fence().mark,
        };
        assert_eq!(
            world.refused(&mut forged, Vec::new(), done()).await,
            CommitRefused::LeaseLost
        );
    }
    assert_eq!(world.state(claimed.id()).await, StateKind::Running);
}

pub(crate) async fn a_holder_whose_lease_ran_out_may_commit_until_it_is_stolen(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.advance(600);
    world.complete(&mut claimed).await;
    assert_eq!(world.state(claimed.id()).await, StateKind::Completed);
    assert!(world.sweep().await.is_empty());
}

pub(crate) async fn a_renewed_lease_is_not_stolen(world: World) {
    let claimed = world.start(task("f")).await;
    world.advance(59);
    let RenewResult::Renewed {
        expires_at,
        deliveries,
        cancel_requested,
    } = world.renew(&claimed).await
    else {
        panic!("the lease was lost");
    };
    assert_eq!(expires_at, world.now().saturating_add(LEASE));
    assert_eq!((deliveries, cancel_requested), (Ordinal::NONE, false));
    world.advance(59);
    assert!(world.sweep().await.is_empty());
    world.advance(1);
    assert_eq!(world.sweep().await.len(), 1);
}

pub(crate) async fn a_renewal_never_shortens_a_lease(world: World) {
    let claimed = world.start(task("f")).await;
    let until = claimed.task.state.lease_expires_at();
    let renewed = world.renew_for(&claimed, Duration::from_secs(1)).await;
    assert!(
        matches!(renewed, RenewResult::Renewed { expires_at, .. } if Some(expires_at) == until),
        "{renewed:?}"
    );
    assert_eq!(world.task(claimed.id()).await.task, claimed.task);
}

pub(crate) async fn a_lease_that_ran_out_can_be_renewed_until_it_is_stolen(world: World) {
    let claimed = world.start(task("f")).await;
    world.advance(90);
    assert!(matches!(
        world.renew(&claimed).await,
        RenewResult::Renewed { .. }
    ));
    assert!(world.sweep().await.is_empty());
}

pub(crate) async fn renewals_are_answered_in_their_order(world: World) {
    let a = world.start(task("f")).await;
    let b = world.start(task("f")).await;
    let mut gone = world.start(task("f")).await;
    world.complete(&mut gone).await;
    let request = RenewRequest {
        worker: worker("w1"),
        duration: claim_request(&[], 0).terms.duration,
        leases: vec![
            (b.id(), b.fence()),
            (gone.id(), gone.fence()),
            (a.id(), a.fence()),
        ],
    };
    let answer = answered("renew", world.store.renew(request).await);
    let [
        RenewResult::Renewed { .. },
        RenewResult::LeaseLost,
        RenewResult::Renewed { .. },
    ] = answer.leases[..]
    else {
        panic!("wrong order: {:?}", answer.leases);
    };
    assert_eq!(answer.now, world.now());
}

pub(crate) async fn a_renewal_tells_of_deliveries_and_of_a_cancel(world: World) {
    let claimed = world.start(task("f")).await;
    let mut parent = claimed.clone();
    world
        .write(
            &mut parent,
            vec![crate::writes::wait_for(1, "x", None)],
            Then::Continue,
        )
        .await;
    world.signal(claimed.task.execution, "x", "1").await;
    world.cancel(claimed.task.execution).await;
    let renewed = world.renew(&claimed).await;
    assert!(
        matches!(
            renewed,
            RenewResult::Renewed {
                deliveries: Ordinal(1),
                cancel_requested: true,
                ..
            }
        ),
        "{renewed:?}"
    );
}

pub(crate) async fn tokens_grow_with_every_claim(world: World) {
    let id = world.dispatch(task("f")).await.root();
    let mut newest = FencingToken(0);
    for _ in 0..3 {
        let mut claimed = world.claim_one("f").await;
        assert!(claimed.fence().token > newest);
        newest = claimed.fence().token;
        world.write(&mut claimed, Vec::new(), Then::Release).await;
        assert_eq!(world.task(id).await.task.fence.token, newest);
    }
}

pub(crate) async fn a_released_task_keeps_its_age_and_counts_nothing(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.advance(5);
    world.dispatch(task("f")).await;
    world.write(&mut claimed, Vec::new(), Then::Release).await;
    let again = world.claim_one("f").await;
    assert_eq!(again.id(), claimed.id(), "the oldest comes first");
    assert_eq!(again.task.queued_at, claimed.task.queued_at);
    assert_eq!(again.task.failed_attempts, 0);
    assert_eq!(again.task.crashes, Crashes::default());
}

pub(crate) async fn a_release_after_a_steal_is_refused(world: World) {
    let mut late = world.start(task("f")).await;
    world.advance(60);
    let thief = world.claim_one("f").await;
    assert_eq!(
        world.refused(&mut late, Vec::new(), Then::Release).await,
        CommitRefused::LeaseLost
    );
    assert_eq!(world.task(thief.id()).await.task, thief.task);
}

pub(crate) async fn one_claim_looks_after_a_bounded_number_of_leases(world: World) {
    let many = defaults::SWEEP_BATCH as usize + 3;
    let executions = (0..many).map(|_| crate::writes::execution(task("f")));
    world.dispatch_all(executions.collect()).await;
    assert_eq!(world.claim(&["f"], many as u32).await.len(), many);
    world.advance(60);
    assert_eq!(world.sweep().await.len(), defaults::SWEEP_BATCH as usize);
    assert_eq!(world.sweep().await.len(), 3);
}

pub(crate) async fn one_lease_that_ran_out_is_found_among_many_that_run(world: World) {
    let short = world.start(task("f")).await;
    world.advance(1);
    let executions = (0..500).map(|_| crate::writes::execution(task("f")));
    world.dispatch_all(executions.collect()).await;
    assert_eq!(world.claim(&["f"], 500).await.len(), 500);
    world.advance(59);
    let stolen = world.sweep().await;
    assert_eq!(stolen.len(), 1);
    assert_eq!(stolen[0].task, short.id());
}

pub(crate) async fn stealing_needs_no_record_of_the_worker(world: World) {
    // The claim below is the first that this store hears of any worker.
    let claimed = world.start(task("f")).await;
    world.advance(60 + 2 * 86_400);
    let workers = answered("list workers", world.store.workers().await);
    assert!(workers.is_empty(), "{workers:?}");
    assert_eq!(world.claim_one("f").await.id(), claimed.id());
}

pub(crate) async fn a_task_that_was_never_started_is_lost_without_blame(world: World) {
    let id = world.dispatch(task("f")).await.root();
    for crash in 1..=8 {
        world.claim_one("f").await;
        world.advance(60);
        world.sweep().await;
        let crashes = world.task(id).await.task.crashes;
        assert_eq!((crashes.total, crashes.as_suspect), (crash, 0));
    }
    assert_eq!(world.state(id).await, StateKind::Pending);
}

pub(crate) async fn a_suspect_that_started_and_crashes_becomes_a_dead_letter(world: World) {
    let id = world.dispatch(task("f")).await.root();
    let mut states = Vec::new();
    for _ in 0..4 {
        let mut claimed = world.claim_one("f").await;
        world.write(&mut claimed, Vec::new(), Then::Continue).await;
        world.advance(60);
        world.sweep().await;
        states.push(world.state(id).await);
    }
    // Two crashes make a suspect; two more, which is the limit of these claims, a dead letter.
    assert_eq!(
        states,
        [
            StateKind::Pending,
            StateKind::Pending,
            StateKind::Pending,
            StateKind::Failed
        ]
    );
    let outcome = world.task(id).await.outcome;
    assert!(
        matches!(&outcome, Some(stent_core::Outcome::Failed(failure)) if failure.kind() == stent_core::FailureKind::Crashes),
        "{outcome:?}"
    );
}

pub(crate) async fn a_stolen_task_brings_its_history_along(world: World) {
    let mut first = world.start(task("f")).await;
    world
        .write(&mut first, vec![step(1, "s", value("42"))], Then::Continue)
        .await;
    world.advance(60);
    let second: Held = world.claim_one("f").await;
    assert_eq!(second.history, world.history(first.id()).await);
    assert_eq!(second.history.len(), 1);
    assert_eq!(second.history[0].outcome, Some(value("42")));
}
