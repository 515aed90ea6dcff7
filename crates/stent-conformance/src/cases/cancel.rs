//! Cancelling, which reaches the whole tree.

use stent_core::{
    NewTask, Outcome, StateKind, When,
    commit::{CommitRefused, Then},
    store::CancelAnswer,
};

use crate::{
    world::{World, answered},
    writes::{
        attempt_failed, call, done, failed, new_id, seconds, sleep, step, task, value, wait_for,
        waits,
    },
};

pub(crate) async fn what_nobody_runs_is_cancelled_at_once(world: World) {
    let pending = world.dispatch(task("f")).await;
    let mut suspended = world.start(task("g")).await;
    world
        .write(&mut suspended, vec![wait_for(1, "x", None)], waits(0))
        .await;
    for id in [pending, suspended.task.execution] {
        assert_eq!(world.cancel(id).await, CancelAnswer::Requested);
        let record = world.task(id.root()).await;
        assert_eq!(record.task.state.kind(), StateKind::Cancelled);
        assert_eq!(record.outcome, Some(Outcome::Cancelled));
    }
    world.advance(100);
    assert!(world.claim(&["f", "g"], 10).await.is_empty());
}

pub(crate) async fn a_running_task_is_asked_to_stop_and_then_ends_as_cancelled(world: World) {
    for then in [done(), failed(), attempt_failed(9), Then::Release] {
        let mut claimed = world.start(task("f")).await;
        let answer = world.cancel(claimed.task.execution).await;
        assert_eq!(answer, CancelAnswer::Requested);
        let record = world.task(claimed.id()).await.task;
        assert!(record.cancel_requested && record.state.kind() == StateKind::Running);
        let applied = world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(applied.ended, Some(StateKind::Cancelled));
        let record = world.task(claimed.id()).await;
        assert_eq!(record.outcome, Some(Outcome::Cancelled));
    }
}

pub(crate) async fn a_holder_that_goes_on_is_told_of_the_cancel(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.cancel(claimed.task.execution).await;
    let before = world.visible().await;
    let writes = vec![call(1, task("child")), step(2, "s", value("1"))];
    assert_eq!(
        world.refused(&mut claimed, writes, Then::Continue).await,
        CommitRefused::CancelRequested
    );
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_cancelled_task_whose_worker_is_gone_ends_with_its_lease(world: World) {
    let claimed = world.start(task("f")).await;
    world.cancel(claimed.task.execution).await;
    world.advance(60);
    assert_eq!(world.sweep().await.len(), 1);
    assert_eq!(world.state(claimed.id()).await, StateKind::Cancelled);
}

pub(crate) async fn a_cancel_reaches_every_task_of_the_tree(world: World) {
    let mut root = world.start(task("f")).await;
    let writes = vec![call(1, task("pending")), call(2, later("later"))];
    world.write(&mut root, writes, Then::Continue).await;
    let mut running = world.start_child(&mut root, 3, task("running")).await;
    let mut waiting = world.start_child(&mut running, 1, task("waiting")).await;
    let writes = vec![wait_for(1, "x", None), call(2, task("grandchild"))];
    world.write(&mut waiting, writes, waits(0)).await;
    let mut retrying = world.start_child(&mut running, 2, task("retrying")).await;
    world
        .write(&mut retrying, Vec::new(), attempt_failed(9))
        .await;
    let mut sleeping = world.start_child(&mut running, 3, task("sleeping")).await;
    let write = vec![sleep(1, seconds(5))];
    world.write(&mut sleeping, write, waits(0)).await;
    world.write(&mut root, Vec::new(), waits(0)).await;
    world.cancel(root.task.execution).await;
    for seen in world.visible().await.tasks {
        let state = seen.task.state.kind();
        if seen.task.id == running.id() {
            assert!(seen.task.cancel_requested, "a running one is asked to stop");
        } else {
            assert_eq!(state, StateKind::Cancelled, "{:?}", seen.task);
        }
    }
    world.advance(1_000);
    let names = [
        "f",
        "pending",
        "later",
        "waiting",
        "grandchild",
        "retrying",
        "sleeping",
    ];
    assert!(world.claim(&names, 10).await.is_empty());
}

pub(crate) async fn a_running_parent_is_asked_and_its_children_stop(world: World) {
    let mut root = world.start(task("f")).await;
    world
        .write(&mut root, vec![call(1, task("child"))], Then::Continue)
        .await;
    world.cancel(root.task.execution).await;
    assert!(
        world.claim(&["child"], 1).await.is_empty(),
        "it never starts"
    );
    let entry = world.entry(root.id(), 1).await;
    assert_eq!(entry.outcome, Some(Outcome::Cancelled));
    world.write(&mut root, Vec::new(), done()).await;
    assert_eq!(world.state(root.id()).await, StateKind::Cancelled);
}

pub(crate) async fn children_are_cancelled_in_the_order_of_their_making(world: World) {
    let mut root = world.start(task("f")).await;
    // Their positions say otherwise.
    let calls = [3, 1, 2].map(|position| call(position, task("child")));
    world.write(&mut root, calls.to_vec(), Then::Continue).await;
    world.cancel(root.task.execution).await;
    let history = world.history(root.id()).await;
    let places = history
        .iter()
        .map(|entry| entry.head.resolved.and_then(|it| it.ordinal));
    assert!(places.eq([2, 3, 1].map(|place| Some(stent_core::Ordinal(place)))));
}

pub(crate) async fn children_added_with_the_last_commit_are_cancelled_too(world: World) {
    let mut root = world.start(task("f")).await;
    world.cancel(root.task.execution).await;
    let writes = vec![call(1, task("child"))];
    world.write(&mut root, writes, waits(0)).await;
    assert_eq!(world.state(root.id()).await, StateKind::Cancelled);
    assert!(world.claim(&["child"], 1).await.is_empty());
}

pub(crate) async fn a_cancel_of_what_has_ended_says_how_it_ended(world: World) {
    for (then, state) in [
        (done(), StateKind::Completed),
        (failed(), StateKind::Failed),
    ] {
        let mut claimed = world.start(task("f")).await;
        world.write(&mut claimed, Vec::new(), then).await;
        let before = world.visible().await;
        let answer = world.cancel(claimed.task.execution).await;
        assert_eq!(answer, CancelAnswer::Ended(state));
        assert_eq!(world.visible().await, before);
    }
}

pub(crate) async fn a_cancel_may_be_repeated(world: World) {
    let running = world.start(task("f")).await;
    let pending = world.dispatch(task("g")).await;
    for expected in [
        [CancelAnswer::Requested, CancelAnswer::Requested],
        [
            CancelAnswer::Requested,
            CancelAnswer::Ended(StateKind::Cancelled),
        ],
    ] {
        let both = vec![running.task.execution, pending];
        let answers = answered("cancel", world.store.cancel(both).await);
        assert_eq!(answers, expected);
    }
}

pub(crate) async fn a_cancel_of_nobody_says_so(world: World) {
    let nobody = new_id().as_root();
    assert_eq!(world.cancel(nobody).await, CancelAnswer::NoSuchExecution);
    let mut parent = world.start(task("f")).await;
    let child = world.start_child(&mut parent, 1, task("child")).await;
    let answer = world.cancel(child.id().as_root()).await;
    assert_eq!(
        answer,
        CancelAnswer::NoSuchExecution,
        "a child is no execution"
    );
}

pub(crate) async fn a_cancel_wins_over_a_retry_that_waits(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, Vec::new(), attempt_failed(9))
        .await;
    world.cancel(claimed.task.execution).await;
    world.advance(100);
    assert!(world.claim(&["f"], 1).await.is_empty());
}

pub(crate) async fn the_end_of_a_parent_stops_what_is_below_it(world: World) {
    let mut root = world.start(task("f")).await;
    world
        .write(&mut root, vec![call(1, task("pending"))], Then::Continue)
        .await;
    let mut running = world.start_child(&mut root, 2, task("running")).await;
    world.complete(&mut root).await;
    assert!(world.claim(&["pending"], 1).await.is_empty());
    assert!(world.task(running.id()).await.task.cancel_requested);
    let result = world.commit_one(running.next(Vec::new(), done())).await;
    assert_eq!(
        result.delivered, None,
        "a parent that has ended takes nothing"
    );
    assert_eq!(world.state(running.id()).await, StateKind::Cancelled);
}

fn later(name: &str) -> NewTask {
    NewTask {
        due: When::After(seconds(50)),
        ..task(name)
    }
}
