//! How many tasks of a function hold a slot at once.

use stent_core::{
    FailureKind, NewTask, Outcome, StateKind, TaskId, When, commit::Then, store::LimitDifference,
};

use crate::{
    world::{Held, World, claim_request},
    writes::{
        at_most, attempt_failed, call, done, execution, failed, function, releasing, seconds,
        sleep, task, wait_for, waits,
    },
};

pub(crate) async fn no_more_are_claimed_than_slots_are_free(world: World) {
    world.declare("f", at_most(2)).await;
    make(&world, "f", 5).await;
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
    let mut claimed = world.claim(&["f"], 5).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(world.slots_held("f").await, 2);
    assert!(world.claim(&["f"], 5).await.is_empty());
    world.complete(&mut claimed[0]).await;
    assert_eq!(world.claim(&["f"], 5).await.len(), 1);
}

pub(crate) async fn a_limit_counts_over_queues_and_priorities(world: World) {
    world.declare("f", at_most(2)).await;
    for number in 0..4 {
        let root = NewTask {
            queue: crate::writes::queue(&format!("q{}", number % 2)),
            priority: stent_core::Priority(number),
            ..task("f")
        };
        world.dispatch(root).await;
    }
    assert_eq!(world.claim(&["f"], 4).await.len(), 2);
}

pub(crate) async fn a_full_function_holds_back_no_other(world: World) {
    world.declare("full", at_most(1)).await;
    make(&world, "full", 300).await;
    world.advance(1);
    make(&world, "free", 4).await;
    assert_eq!(world.claim(&["full", "free"], 10).await.len(), 5);
    make(&world, "free", 4).await;
    assert_eq!(world.claim(&["full", "free"], 4).await.len(), 4);
}

pub(crate) async fn every_way_to_end_frees_the_slot(world: World) {
    world.declare("f", at_most(1)).await;
    let ends = [
        done(),
        failed(),
        attempt_failed(1),
        Then::End(Outcome::Cancelled),
        Then::End(Outcome::TimedOut(crate::writes::failure("slow"))),
    ];
    for then in ends {
        let mut claimed = world.start(task("f")).await;
        assert_eq!(world.slots_held("f").await, 1);
        world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(world.slots_held("f").await, 0);
    }
}

pub(crate) async fn a_task_back_in_the_queue_holds_no_slot(world: World) {
    world.declare("f", at_most(1)).await;
    for then in [Then::Release, attempt_failed(3)] {
        let mut claimed = world.start(task("f")).await;
        world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(world.slots_held("f").await, 0);
        world.cancel(claimed.task.execution).await;
    }
}

pub(crate) async fn a_crashed_holder_blocks_its_slot_no_longer_than_its_lease(world: World) {
    world.declare("f", at_most(1)).await;
    let crashed = world.start(task("f")).await;
    let next = world.dispatch(task("f")).await;
    world.advance(59);
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.advance(1);
    let first = world.claim_one("f").await;
    assert_eq!(first.id(), crashed.id(), "the oldest comes first");
    assert_eq!(world.slots_held("f").await, 1);
    world.cancel(first.task.execution).await;
    world.advance(60);
    assert_eq!(world.claim_one("f").await.id(), next.root());
}

pub(crate) async fn a_suspended_task_keeps_its_slot(world: World) {
    world.declare("f", at_most(1)).await;
    let waiting = suspended(&world, "f").await;
    assert_eq!(world.slots_held("f").await, 1);
    world.dispatch(task("f")).await;
    assert!(world.claim(&["f"], 1).await.is_empty());
    // It goes on with the slot that it has.
    world.signal(waiting.task.execution, "x", "1").await;
    assert_eq!(world.claim(&["f"], 2).await.len(), 1);
    assert_eq!(world.slots_held("f").await, 1);
}

pub(crate) async fn a_suspended_task_that_ends_frees_its_slot(world: World) {
    world.declare("f", at_most(1)).await;
    let cancelled = suspended(&world, "f").await;
    world.cancel(cancelled.task.execution).await;
    assert_eq!(world.slots_held("f").await, 0);
    let root = NewTask {
        deadline: Some(When::After(seconds(10))),
        ..task("f")
    };
    let mut overdue = world.start(root).await;
    world
        .write(&mut overdue, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world.advance(10);
    world.sweep().await;
    assert_eq!(world.state(overdue.id()).await, StateKind::TimedOut);
    assert_eq!(world.slots_held("f").await, 0);
}

pub(crate) async fn a_function_that_releases_gives_its_slot_up_while_it_waits(world: World) {
    world.declare("f", releasing(1)).await;
    let waiting = suspended(&world, "f").await;
    assert_eq!(world.slots_held("f").await, 0);
    let other = world.start(task("f")).await;
    // It woke and waits for a slot again, and does not run above the limit.
    world.signal(waiting.task.execution, "x", "1").await;
    assert!(world.claim(&["f"], 2).await.is_empty());
    let mut other = other;
    world.complete(&mut other).await;
    assert_eq!(world.claim_one("f").await.id(), waiting.id());
    assert_eq!(world.slots_held("f").await, 1);
}

pub(crate) async fn one_that_woke_is_not_overtaken_by_newcomers(world: World) {
    world.declare("f", releasing(1)).await;
    let waiting = suspended(&world, "f").await;
    let mut other = world.start(task("f")).await;
    world.signal(waiting.task.execution, "x", "1").await;
    world.advance(1);
    make(&world, "f", 3).await;
    world.complete(&mut other).await;
    assert_eq!(world.claim_one("f").await.id(), waiting.id());
}

pub(crate) async fn a_limit_lowered_below_what_runs_starts_nothing_until_it_fits(world: World) {
    world.declare("f", at_most(3)).await;
    make(&world, "f", 6).await;
    let mut claimed = world.claim(&["f"], 3).await;
    world.set_limit("f", Some(1)).await;
    for _ in 0..2 {
        let mut ended = claimed.remove(0);
        world.complete(&mut ended).await;
        assert!(world.claim(&["f"], 5).await.is_empty());
    }
    world.complete(&mut claimed[0]).await;
    assert_eq!(world.claim(&["f"], 5).await.len(), 1);
}

pub(crate) async fn a_limit_can_be_raised_and_unset_while_tasks_run(world: World) {
    world.declare("f", at_most(1)).await;
    make(&world, "f", 9).await;
    assert_eq!(world.claim(&["f"], 9).await.len(), 1);
    world.set_limit("f", Some(3)).await;
    assert_eq!(world.claim(&["f"], 9).await.len(), 2);
    world.set_limit("f", None).await;
    assert!(
        world.claim(&["f"], 9).await.is_empty(),
        "the declared one counts again"
    );
    world.declare("f", None).await;
    assert_eq!(world.claim(&["f"], 9).await.len(), 6);
}

pub(crate) async fn the_newest_declaration_counts(world: World) {
    world.declare("f", at_most(3)).await;
    world.declare("f", at_most(1)).await;
    make(&world, "f", 4).await;
    assert_eq!(world.claim(&["f"], 4).await.len(), 1);
    world.declare("f", at_most(2)).await;
    assert_eq!(world.claim(&["f"], 4).await.len(), 1);
}

pub(crate) async fn an_operators_limit_counts_before_what_is_declared(world: World) {
    world.set_limit("f", Some(2)).await;
    world.declare("f", at_most(5)).await;
    let record = world.function("f").await;
    assert_eq!(
        (
            record.limits.declared,
            record.limits.by_operator.map(u32::from)
        ),
        (at_most(5), Some(2))
    );
    make(&world, "f", 4).await;
    assert_eq!(world.claim(&["f"], 4).await.len(), 2);
}

pub(crate) async fn a_declaration_that_differs_is_answered(world: World) {
    assert!(world.declare("f", at_most(3)).await.differences.is_empty());
    assert!(world.declare("f", at_most(3)).await.differences.is_empty());
    let differs = |before, by_operator: Option<u32>| LimitDifference {
        function: function("f"),
        before,
        by_operator: by_operator.and_then(std::num::NonZeroU32::new),
    };
    let answer = world.declare("f", at_most(4)).await;
    assert_eq!(answer.differences, [differs(at_most(3), None)]);
    world.set_limit("f", Some(1)).await;
    let answer = world.declare("f", at_most(4)).await;
    assert_eq!(answer.differences, [differs(at_most(4), Some(1))]);
    world.set_limit("f", None).await;
    let answer = world.declare("f", None).await;
    assert_eq!(answer.differences, [differs(at_most(4), None)]);
}

pub(crate) async fn what_runs_and_waits_holds_slots_from_the_moment_a_limit_is_set(world: World) {
    let waiting = suspended(&world, "f").await;
    let mut running = world.start(task("f")).await;
    world.dispatch(task("f")).await;
    world.declare("f", at_most(2)).await;
    assert_eq!(world.slots_held("f").await, 2);
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.complete(&mut running).await;
    assert_eq!(world.claim(&["f"], 2).await.len(), 1);
    assert_eq!(world.state(waiting.id()).await, StateKind::Suspended);
}

pub(crate) async fn what_waits_holds_no_slot_when_its_function_begins_to_release(world: World) {
    suspended(&world, "f").await;
    world.declare("f", releasing(1)).await;
    assert_eq!(world.slots_held("f").await, 0);
    world.dispatch(task("f")).await;
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
}

pub(crate) async fn a_limit_survives_a_restart(world: World) {
    world.declare("f", at_most(2)).await;
    world.set_limit("g", Some(1)).await;
    make(&world, "f", 3).await;
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
    let Some(world) = world.reopened().await else {
        return;
    };
    assert_eq!(world.slots_held("f").await, 1);
    assert_eq!(
        world.function("g").await.limits.by_operator.map(u32::from),
        Some(1)
    );
    assert_eq!(world.claim(&["f"], 3).await.len(), 1);
}

pub(crate) async fn a_call_that_could_only_wait_for_its_ancestors_is_refused(world: World) {
    world.declare("f", at_most(1)).await;
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![call(1, task("f"))], Then::Continue)
        .await;
    let entry = world.entry(parent.id(), 1).await;
    assert_eq!(entry.head.child, None, "no child is made");
    assert!(
        matches!(&entry.outcome, Some(Outcome::Failed(failure)) if failure.kind() == FailureKind::SlotDeadlock),
        "{:?}",
        entry.outcome
    );
    assert_eq!(world.task(parent.id()).await.task.deliveries.0, 1);
}

pub(crate) async fn a_call_that_could_only_wait_for_ancestors_far_above_is_refused(world: World) {
    world.declare("f", at_most(2)).await;
    let mut first = world.start(task("f")).await;
    let mut between = world.start_child(&mut first, 1, task("g")).await;
    let mut second = world.start_child(&mut between, 1, task("f")).await;
    world
        .write(&mut second, vec![call(1, task("f"))], Then::Continue)
        .await;
    let outcome = world.entry(second.id(), 1).await.outcome;
    assert!(matches!(outcome, Some(Outcome::Failed(_))), "{outcome:?}");
}

pub(crate) async fn a_call_waits_where_another_holds_the_slot(world: World) {
    world.declare("f", at_most(2)).await;
    let mut other = world.start(task("f")).await;
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![call(1, task("f"))], waits(0))
        .await;
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.complete(&mut other).await;
    assert_eq!(world.claim(&["f"], 1).await.len(), 1);
}

pub(crate) async fn a_suspect_holds_a_slot_like_any_other(world: World) {
    world.declare("f", at_most(1)).await;
    let id = world.dispatch(task("f")).await.root();
    for _ in 0..2 {
        world.claim_one("f").await;
        world.advance(60);
        world.sweep().await;
    }
    world.dispatch(task("f")).await;
    let claimed = world.claim(&["f"], 2).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id(), id);
    assert_eq!(world.slots_held("f").await, 1);
    assert!(world.claim(&["f"], 2).await.is_empty());
}

pub(crate) async fn a_sleeping_task_of_a_full_function_wakes(world: World) {
    world.declare("f", at_most(1)).await;
    let mut sleeping = world.start(task("f")).await;
    world
        .write(&mut sleeping, vec![sleep(1, seconds(5))], waits(0))
        .await;
    make(&world, "f", 2).await;
    world.advance(5);
    let claimed = world.claim_with(claim_request(&["f"], 3)).await.tasks;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].task.id, sleeping.id());
}

pub(crate) async fn of_calls_that_only_wait_for_each_others_slots_one_fails(world: World) {
    let (a, b) = tangle(&world).await;
    world.advance(10);
    let claimed = world.claim(&["a", "b"], 5).await;
    assert_eq!(
        claimed.len(),
        1,
        "the parent of the call that failed goes on"
    );
    let woken = &claimed[0];
    let outcome = woken.history[0].outcome.clone();
    assert!(
        matches!(&outcome, Some(Outcome::Failed(failure)) if failure.kind() == FailureKind::SlotDeadlock
            && failure.message().contains("`a`") && failure.message().contains("`b`")),
        "{outcome:?}"
    );
    // It ends, its slot is free, and the other call starts.
    let mut woken = woken.clone();
    world.write(&mut woken, Vec::new(), failed()).await;
    let mut call = world.claim(&["a", "b"], 5).await;
    assert_eq!(call.len(), 1);
    world.complete(&mut call[0]).await;
    let other = if woken.id() == a { b } else { a };
    let claimed = world.claim(&["a", "b"], 5).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].id(), other);
}

pub(crate) async fn calls_that_wait_for_a_slot_that_may_yet_be_freed_are_left_alone(world: World) {
    world.set_limit("b", Some(2)).await;
    let mut runs = world.start(task("b")).await;
    tangle(&world).await;
    for _ in 0..3 {
        world.advance(11);
        world.renew(&runs).await;
        assert!(world.claim(&["a", "b"], 5).await.is_empty());
    }
    world.complete(&mut runs).await;
    assert_eq!(
        world.claim(&["a", "b"], 5).await.len(),
        1,
        "the call of `b`"
    );
}

/// Two executions that hold the slot that the other one's call needs: `a` calls `b`, and `b` calls `a`.
async fn tangle(world: &World) -> (TaskId, TaskId) {
    let mut parents = Vec::new();
    for name in ["a", "b"] {
        world.declare(name, at_most(1)).await;
        parents.push(world.start(task(name)).await);
    }
    for (parent, calls) in parents.iter_mut().zip(["b", "a"]) {
        world
            .write(parent, vec![call(1, task(calls))], waits(0))
            .await;
    }
    (parents[0].id(), parents[1].id())
}

async fn make(world: &World, function: &str, count: usize) -> Vec<TaskId> {
    let executions = (0..count).map(|_| execution(task(function)));
    let made = world.dispatch_all(executions.collect()).await;
    made.iter().map(|one| one.execution().root()).collect()
}

/// A task that waits for the signal `x`.
async fn suspended(world: &World, function: &str) -> Held {
    let mut waiting = world.start(task(function)).await;
    world
        .write(&mut waiting, vec![wait_for(1, "x", None)], waits(0))
        .await;
    waiting
}
