//! Waiting without a lease: suspension, and what ends it.

use stent_core::{
    CallPosition, Ordinal, State, StateKind,
    commit::{CommitRefused, Then},
};

use crate::{
    world::World,
    writes::{
        abandon, call, done, fired, seconds, sleep, sleep_until, task, value, wait_for, waits,
    },
};

pub(crate) async fn a_task_that_waits_gives_up_its_lease(world: World) {
    let mut parent = world.start(task("f")).await;
    let applied = world
        .write(&mut parent, vec![call(1, task("child"))], waits(0))
        .await;
    assert!(!applied.still_held);
    assert_eq!(world.state(parent.id()).await, StateKind::Suspended);
    assert_eq!(
        world.refused(&mut parent, Vec::new(), done()).await,
        CommitRefused::LeaseLost
    );
    world.advance(3_600);
    assert!(world.sweep().await.is_empty(), "there is no lease to lose");
    assert!(world.claim(&["f"], 1).await.is_empty());
}

pub(crate) async fn a_suspended_parent_is_woken_by_its_childs_end(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world.write(&mut parent, Vec::new(), waits(0)).await;
    world.advance(5);
    world.complete(&mut child).await;
    let woken = world.claim_one("f").await;
    assert_eq!(woken.id(), parent.id());
    assert_eq!(woken.task.queued_at, world.now());
    assert_eq!(woken.history[0].outcome, Some(value("true")));
}

pub(crate) async fn a_task_keeps_its_lease_if_something_happened_that_it_has_not_seen(
    world: World,
) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world.complete(&mut child).await;
    let write = vec![wait_for(2, "x", None)];
    let applied = world.write(&mut parent, write, waits(0)).await;
    assert!(applied.still_held);
    assert_eq!(applied.deliveries, Ordinal(1));
    let applied = world.write(&mut parent, Vec::new(), waits(1)).await;
    assert!(!applied.still_held, "now it has seen all");
}

pub(crate) async fn a_task_that_waits_for_nothing_keeps_its_lease(world: World) {
    let mut claimed = world.start(task("f")).await;
    let applied = world.write(&mut claimed, Vec::new(), waits(0)).await;
    assert!(applied.still_held);
    let sleeps = vec![sleep(1, seconds(5))];
    world.write(&mut claimed, sleeps, Then::Continue).await;
    let applied = world
        .write(&mut claimed, vec![abandon(1, 0)], waits(0))
        .await;
    assert!(
        applied.still_held,
        "it gave up on the only thing it waited for"
    );
}

pub(crate) async fn a_sleep_wakes_its_task_when_it_is_over_and_not_before(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![sleep(1, seconds(90)), sleep(2, seconds(30))];
    let applied = world.write(&mut claimed, writes, waits(0)).await;
    assert_eq!(
        applied.wakes,
        [
            (CallPosition(1), world.after(90)),
            (CallPosition(2), world.after(30))
        ]
    );
    assert_eq!(
        world.task(claimed.id()).await.task.state,
        State::Suspended {
            wake_at: Some(world.after(30))
        }
    );
    world.advance(29);
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.advance(1);
    let mut woken = world.claim_one("f").await;
    let applied = world.write(&mut woken, vec![fired(2)], waits(1)).await;
    assert!(!applied.still_held);
    world.advance(59);
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.advance(1);
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
}

pub(crate) async fn a_sleep_is_not_over_before_its_time(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, vec![sleep(1, seconds(30))], Then::Continue)
        .await;
    world.advance(29);
    let mut early = claimed.clone();
    assert_eq!(
        world
            .refused(&mut early, vec![fired(1)], Then::Continue)
            .await,
        CommitRefused::Stale
    );
    world.advance(1);
    let applied = world
        .write(&mut claimed, vec![fired(1)], Then::Continue)
        .await;
    assert_eq!(applied.recorded, [(CallPosition(1), Ordinal(1))]);
    let mut twice = claimed.clone();
    assert_eq!(
        world
            .refused(&mut twice, vec![fired(1)], Then::Continue)
            .await,
        CommitRefused::Stale
    );
}

pub(crate) async fn a_sleep_keeps_its_end_over_restarts_of_the_body(world: World) {
    let mut first = world.start(task("f")).await;
    let end = world.after(30);
    world
        .write(&mut first, vec![sleep(1, seconds(30))], Then::Release)
        .await;
    world.advance(20);
    let mut second = world.claim_one("f").await;
    assert_eq!(second.history[0].head.wake_at, Some(end));
    world.write(&mut second, Vec::new(), waits(0)).await;
    assert_eq!(
        world.task(second.id()).await.task.state,
        State::Suspended { wake_at: Some(end) }
    );
}

pub(crate) async fn a_sleep_of_no_length_or_without_end_is_kept(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        sleep(1, seconds(0)),
        sleep(2, std::time::Duration::MAX),
        sleep_until(3, stent_core::Timestamp::MIN),
    ];
    world.write(&mut claimed, writes, waits(0)).await;
    let wakes: Vec<_> = world.history(claimed.id()).await;
    let wakes: Vec<_> = wakes.iter().map(|entry| entry.head.wake_at).collect();
    assert_eq!(
        wakes,
        [
            Some(world.now()),
            Some(stent_core::Timestamp::MAX),
            Some(stent_core::Timestamp::MIN)
        ]
    );
    assert_eq!(world.claim(&["f"], 1).await.len(), 1, "one is over already");
}
