//! Deleting what ended long ago, whole, and nothing else.

use std::time::Duration;

use stent_core::{
    NewTask, StateKind, Tag, TaskId, When,
    commit::Then,
    defaults,
    store::{CleanupAnswer, CleanupRequest, ExecutionQuery},
};

use crate::{
    world::{World, answered},
    writes::{call, done, execution, failed, key, seconds, step, task, value, wait_for, waits},
};

pub(crate) async fn what_ended_before_the_retention_period_goes_and_the_rest_stays(world: World) {
    let old = ended(&world, done()).await;
    world.advance(10);
    let young = ended(&world, done()).await;
    world.advance(10);
    assert_eq!(
        world.clean_up(20).await,
        deleted(0, false),
        "not older, but as old"
    );
    assert_eq!(world.clean_up(19).await, deleted(1, false));
    assert!(world.find(old).await.is_none());
    assert!(world.find(young).await.is_some());
}

pub(crate) async fn every_way_to_have_ended_is_cleaned_up(world: World) {
    for then in [done(), failed(), Then::End(stent_core::Outcome::Cancelled)] {
        ended(&world, then).await;
    }
    let overdue = NewTask {
        deadline: Some(When::After(seconds(1))),
        ..task("f")
    };
    world.dispatch(overdue).await;
    world.advance(1);
    world.sweep().await;
    world.advance(1);
    assert_eq!(world.clean_up(0).await, deleted(4, false));
    assert!(world.executions().await.is_empty());
}

pub(crate) async fn what_has_not_ended_is_never_touched(world: World) {
    world.dispatch(task("pending")).await;
    world.start(task("running")).await;
    let mut waiting = world.start(task("waiting")).await;
    world
        .write(&mut waiting, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world.advance(1_000_000);
    let before = world.visible().await;
    assert_eq!(world.clean_up(0).await, deleted(0, false));
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn age_counts_from_the_end_and_not_from_the_beginning(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.advance(1_000);
    world.complete(&mut claimed).await;
    world.advance(5);
    assert_eq!(world.clean_up(10).await, deleted(0, false));
    assert!(world.find(claimed.id()).await.is_some());
}

pub(crate) async fn an_execution_goes_with_all_that_belongs_to_it(world: World) {
    let mut tagged = execution(task("f"));
    tagged.idempotency_key = key("k");
    tagged.tags = vec![Tag::new("t").expect("a name")];
    let id = world.dispatch_all(vec![tagged]).await[0].execution();
    let mut root = world.claim_one("f").await;
    world.signal(id, "x", "1").await;
    let writes = vec![
        step(1, "s", value("1")),
        call(2, task("child")),
        wait_for(3, "y", None),
    ];
    world.write(&mut root, writes, Then::Continue).await;
    let mut child = world.claim_one("child").await;
    let mut grandchild = world.start_child(&mut child, 1, task("grandchild")).await;
    world.complete(&mut grandchild).await;
    world.complete(&mut child).await;
    world.complete(&mut root).await;
    world.advance(10);
    assert_eq!(world.clean_up(5).await, deleted(1, false));
    let left = world.visible().await;
    assert!(left.tasks.is_empty(), "{left:?}");
    assert!(world.history(root.id()).await.is_empty());
    let query = ExecutionQuery {
        tag: Tag::new("t").ok(),
        ..ExecutionQuery::default()
    };
    let page = answered("list", world.store.executions(query).await);
    assert!(page.executions.is_empty());
}

pub(crate) async fn a_deleted_execution_can_be_made_again_and_knows_nothing_of_the_old(
    world: World,
) {
    let root = task("f");
    let id = world.dispatch(root.clone()).await;
    world.signal(id, "x", "\"old\"").await;
    let mut claimed = world.claim_one("f").await;
    world
        .write(&mut claimed, vec![step(1, "s", value("1"))], done())
        .await;
    world.advance(10);
    world.clean_up(5).await;
    world.dispatch(root).await;
    let mut again = world.claim_one("f").await;
    assert!(again.history.is_empty());
    world
        .write(&mut again, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(again.id(), 1).await.outcome, None);
}

pub(crate) async fn an_execution_with_a_task_that_is_still_leased_waits(world: World) {
    let mut root = world.start(task("f")).await;
    let mut child = world.start_child(&mut root, 1, task("child")).await;
    world.complete(&mut root).await;
    world.advance(10);
    let other = ended(&world, done()).await;
    world.advance(10);
    assert_eq!(
        world.clean_up(5).await,
        deleted(1, false),
        "one that cannot go stops no other"
    );
    assert!(world.find(other).await.is_none());
    assert!(world.find(root.id()).await.is_some());
    world.complete(&mut child).await;
    assert_eq!(world.clean_up(5).await, deleted(1, false));
    assert!(world.visible().await.tasks.is_empty());
}

pub(crate) async fn a_cleanup_deletes_at_most_what_it_is_asked_to_oldest_first(world: World) {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(ended(&world, done()).await);
        world.advance(1);
    }
    let request = CleanupRequest {
        retention: Duration::ZERO,
        limit: 2,
        interval: None,
    };
    for (count, more) in [(2, true), (2, true), (1, false)] {
        let answer = answered("clean up", world.store.clean_up(request).await);
        assert_eq!(answer, deleted(count, more));
        for gone in made.drain(..count as usize) {
            assert!(world.find(gone).await.is_none());
        }
        for kept in &made {
            assert!(world.find(*kept).await.is_some());
        }
    }
}

pub(crate) async fn a_retention_too_long_to_subtract_keeps_everything(world: World) {
    ended(&world, done()).await;
    world.advance(1_000);
    for retention in [u64::MAX, u64::MAX / 1_000_000, 2_000_000_000] {
        assert_eq!(world.clean_up(retention).await, deleted(0, false));
    }
    assert_eq!(world.executions().await.len(), 1);
}

pub(crate) async fn the_fleet_cleans_up_once_per_interval(world: World) {
    assert_eq!(scheduled(&world, 100).await, deleted(0, false));
    ended(&world, done()).await;
    world.advance(60);
    let next_at = world.after(40);
    assert_eq!(
        scheduled(&world, 100).await,
        CleanupAnswer::NotDue { next_at }
    );
    world.advance(40);
    assert_eq!(scheduled(&world, 100).await, deleted(1, false));
    let next_at = world.after(100);
    assert_eq!(
        scheduled(&world, 100).await,
        CleanupAnswer::NotDue { next_at }
    );
}

pub(crate) async fn a_cleanup_goes_on_until_nothing_is_left_before_the_schedule_moves(
    world: World,
) {
    for _ in 0..25 {
        ended(&world, done()).await;
    }
    world.advance(1);
    for expected in [deleted(10, true), deleted(10, true), deleted(5, false)] {
        assert_eq!(scheduled(&world, 100).await, expected);
    }
    assert!(matches!(
        scheduled(&world, 100).await,
        CleanupAnswer::NotDue { .. }
    ));
}

pub(crate) async fn a_cleanup_by_hand_leaves_the_schedule_alone(world: World) {
    scheduled(&world, 100).await;
    ended(&world, done()).await;
    world.advance(50);
    assert_eq!(world.clean_up(5).await, deleted(1, false));
    let next_at = world.after(50);
    assert_eq!(
        scheduled(&world, 100).await,
        CleanupAnswer::NotDue { next_at }
    );
}

pub(crate) async fn the_schedule_survives_a_restart(world: World) {
    scheduled(&world, 100).await;
    let Some(world) = world.reopened().await else {
        return;
    };
    assert!(matches!(
        scheduled(&world, 100).await,
        CleanupAnswer::NotDue { .. }
    ));
}

pub(crate) async fn a_large_execution_goes_as_a_whole(world: World) {
    let mut root = world.start(task("f")).await;
    let calls = (1..=400).map(|position| call(position, task("child")));
    world
        .write(&mut root, calls.collect(), Then::Continue)
        .await;
    world.complete(&mut root).await;
    world.advance(10);
    assert_eq!(world.clean_up(5).await, deleted(1, false));
    let left = world.visible().await;
    assert!(left.tasks.is_empty(), "no orphan is left");
    assert!(
        left.functions.is_empty(),
        "nothing waits any more: {:?}",
        left.functions
    );
}

pub(crate) async fn a_cleanup_deletes_no_more_rows_than_fit_a_short_transaction(world: World) {
    // Each two of these have more rows than one cleanup deletes, though none has as many.
    let steps = u32::try_from(defaults::CLEANUP_ROWS / 2).expect("some thousands");
    for _ in 0..2 {
        let mut large = world.start(task("f")).await;
        let writes = (1..=steps).map(|position| step(position, "s", value("1")));
        world.write(&mut large, writes.collect(), done()).await;
        world.advance(1);
    }
    ended(&world, done()).await;
    world.advance(1);
    let first = scheduled(&world, 100).await;
    assert_eq!(first, deleted(1, true), "it goes on at once");
    assert_eq!(scheduled(&world, 100).await, deleted(2, false));
    assert!(world.executions().await.is_empty());
}

const fn deleted(executions: u32, more: bool) -> CleanupAnswer {
    CleanupAnswer::Deleted { executions, more }
}

async fn scheduled(world: &World, interval: u64) -> CleanupAnswer {
    let request = CleanupRequest {
        retention: Duration::ZERO,
        limit: 10,
        interval: Some(seconds(interval)),
    };
    answered("clean up", world.store.clean_up(request).await)
}

/// A task that ended now.
async fn ended(world: &World, then: Then) -> TaskId {
    let mut claimed = world.start(task("f")).await;
    world.write(&mut claimed, Vec::new(), then).await;
    assert!(StateKind::is_terminal(world.state(claimed.id()).await));
    claimed.id()
}
