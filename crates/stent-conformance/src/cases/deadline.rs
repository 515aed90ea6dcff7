//! Deadlines: nothing of a task goes on after its own.

use stent_core::{FailureKind, NewTask, Outcome, StateKind, When, commit::Then, defaults};

use crate::{
    world::World,
    writes::{call, done, execution, seconds, task, value, wait_for, waits},
};

pub(crate) async fn what_nobody_runs_times_out_at_its_deadline_and_not_before(world: World) {
    let pending = world.dispatch(due_by(10, "nobody-has-it")).await.root();
    let mut waiting = world.start(due_by(10, "f")).await;
    world
        .write(&mut waiting, vec![wait_for(1, "x", None)], waits(0))
        .await;
    world.advance(9);
    world.sweep().await;
    assert_eq!(world.state(pending).await, StateKind::Pending);
    world.advance(1);
    world.sweep().await;
    for id in [pending, waiting.id()] {
        let record = world.task(id).await;
        assert_eq!(record.task.state.kind(), StateKind::TimedOut);
        assert!(
            matches!(&record.outcome, Some(Outcome::TimedOut(failure)) if failure.kind() == FailureKind::Deadline),
            "{:?}",
            record.outcome
        );
    }
}

pub(crate) async fn an_overdue_task_is_never_claimed(world: World) {
    world.dispatch(due_by(10, "f")).await;
    world.advance(10);
    assert!(world.claim(&["f"], 1).await.is_empty());
}

pub(crate) async fn a_running_task_is_left_to_its_holder(world: World) {
    let mut claimed = world.start(due_by(10, "f")).await;
    world.advance(20);
    world.sweep().await;
    assert_eq!(world.state(claimed.id()).await, StateKind::Running);
    world.complete(&mut claimed).await;
    assert_eq!(world.state(claimed.id()).await, StateKind::Completed);
}

pub(crate) async fn an_overdue_task_whose_worker_is_gone_times_out_with_its_lease(world: World) {
    let claimed = world.start(due_by(10, "f")).await;
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.state(claimed.id()).await, StateKind::TimedOut);
}

pub(crate) async fn a_childs_deadline_is_told_to_its_parent(world: World) {
    let mut parent = world.start(task("f")).await;
    let writes = vec![call(1, due_by(10, "child"))];
    world.write(&mut parent, writes, waits(0)).await;
    world.advance(10);
    let woken = world.claim_one("f").await;
    let outcome = woken.history[0].outcome.clone();
    assert!(matches!(outcome, Some(Outcome::TimedOut(_))), "{outcome:?}");
}

pub(crate) async fn a_deadline_reaches_the_whole_tree(world: World) {
    let mut root = world.start(due_by(10, "f")).await;
    world
        .write(&mut root, vec![call(1, task("pending"))], Then::Continue)
        .await;
    let running = world.start_child(&mut root, 2, task("running")).await;
    world.write(&mut root, Vec::new(), waits(0)).await;
    world.advance(10);
    world.sweep().await;
    assert_eq!(world.state(root.id()).await, StateKind::TimedOut);
    assert!(world.claim(&["pending"], 1).await.is_empty());
    assert!(world.task(running.id()).await.task.cancel_requested);
}

pub(crate) async fn a_deadline_counts_from_the_dispatch_by_the_stores_clock(world: World) {
    let id = world.dispatch(due_by(30, "f")).await.root();
    assert_eq!(world.task(id).await.task.deadline, Some(world.after(30)));
    let mut parent = world.start(task("g")).await;
    world.advance(5);
    let child = due_by(7, "child");
    let child_id = child.id;
    world
        .write(&mut parent, vec![call(1, child)], Then::Continue)
        .await;
    assert_eq!(
        world.task(child_id).await.task.deadline,
        Some(world.after(7))
    );
}

pub(crate) async fn a_deadline_and_an_outcome_are_one_outcome(world: World) {
    let mut first = world.start(due_by(10, "f")).await;
    world.advance(10);
    world.complete(&mut first).await;
    world.sweep().await;
    assert_eq!(world.task(first.id()).await.outcome, Some(value("true")));
}

pub(crate) async fn one_claim_looks_after_a_bounded_number_of_deadlines(world: World) {
    let many = defaults::SWEEP_BATCH as usize + 5;
    let executions = (0..many).map(|_| execution(due_by(1, "f")));
    world.dispatch_all(executions.collect()).await;
    world.advance(1);
    world.sweep().await;
    assert_eq!(world.function("f").await.counts.pending, 5);
    // What is overdue is not claimed even where nobody has come to end it.
    let mut claimed = world.claim(&["f"], 10).await;
    assert!(claimed.pop().is_none());
}

pub(crate) async fn a_deadline_in_the_past_means_never_started(world: World) {
    let root = NewTask {
        deadline: Some(When::At(stent_core::Timestamp::MIN)),
        ..task("f")
    };
    let id = world.dispatch(root).await.root();
    assert!(world.claim(&["f"], 1).await.is_empty());
    assert_eq!(world.state(id).await, StateKind::TimedOut);
}

pub(crate) async fn an_ended_task_has_no_deadline_to_miss(world: World) {
    let mut claimed = world.start(due_by(10, "f")).await;
    world.write(&mut claimed, Vec::new(), done()).await;
    let before = world.visible().await;
    world.advance(20);
    world.sweep().await;
    assert_eq!(world.visible().await, before);
}

fn due_by(span: u64, name: &str) -> NewTask {
    NewTask {
        deadline: Some(When::After(seconds(span))),
        ..task(name)
    }
}
