//! Executions that failed for good: kept, inspected, replayed as a whole.

use stent_core::{
    Crashes, NewTask, Ordinal, Outcome, State, StateKind, When,
    commit::Then,
    store::{ExecutionQuery, ReplayAnswer},
};

use crate::{
    world::{World, answered},
    writes::{
        at_most, attempt_failed, call, done, failed, failure, new_id, seconds, sleep, step, task,
        value, wait_for, waits,
    },
};

pub(crate) async fn a_dead_letter_is_found_by_its_state(world: World) {
    let mut dead = world.start(task("f")).await;
    world.write(&mut dead, Vec::new(), failed()).await;
    world.dispatch(task("f")).await;
    let query = ExecutionQuery {
        states: vec![StateKind::Failed],
        payloads: true,
        ..ExecutionQuery::default()
    };
    let page = answered("list", world.store.executions(query).await);
    assert_eq!(page.executions.len(), 1);
    let root = &page.executions[0].root;
    assert_eq!(root.task.id, dead.id());
    assert_eq!(root.outcome, Some(Outcome::Failed(failure("it broke"))));
}

pub(crate) async fn a_replayed_dead_letter_is_the_same_task_with_everything_counted_anew(
    world: World,
) {
    let root = NewTask {
        deadline: Some(When::After(seconds(100))),
        ..task("f")
    };
    let id = world.dispatch(root).await;
    for _ in 0..2 {
        let mut claimed = world.claim_one("f").await;
        world
            .write(&mut claimed, Vec::new(), attempt_failed(2))
            .await;
        world.advance(10);
    }
    assert_eq!(world.state(id.root()).await, StateKind::Failed);
    assert_eq!(world.replay(id).await, ReplayAnswer::Replayed);
    let record = world.task(id.root()).await;
    assert_eq!(record.outcome, None);
    assert_eq!(
        record.task.state,
        State::Pending {
            run_at: world.now()
        }
    );
    assert_eq!(
        (record.task.failed_attempts, record.task.deadline),
        (0, None)
    );
    assert_eq!(record.task.crashes, Crashes::default());
    let mut again = world.claim_one("f").await;
    assert!(again.fence().token.0 > 2, "tokens go on growing");
    world.complete(&mut again).await;
    assert_eq!(world.state(id.root()).await, StateKind::Completed);
}

pub(crate) async fn a_replay_keeps_what_completed(world: World) {
    let mut claimed = world.start(task("f")).await;
    let mut child = world.start_child(&mut claimed, 1, task("child")).await;
    world.complete(&mut child).await;
    let writes = vec![
        step(2, "done", value("2")),
        step(3, "failed", Outcome::Failed(failure("it broke"))),
    ];
    world.write(&mut claimed, writes, failed()).await;
    world.replay(claimed.task.execution).await;
    let again = world.claim_one("f").await;
    let kept = again.history.iter().map(|entry| entry.outcome.clone());
    assert!(kept.eq([Some(value("true")), Some(value("2"))]));
    assert_eq!(
        (again.task.deliveries, again.task.operations),
        (Ordinal(2), 2)
    );
    assert!(
        world.claim(&["child"], 1).await.is_empty(),
        "nothing finished runs again"
    );
}

pub(crate) async fn a_replay_calls_anew_what_was_cancelled_with_its_end(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        call(1, task("child")),
        wait_for(2, "x", None),
        sleep(3, seconds(50)),
    ];
    world.write(&mut claimed, writes, failed()).await;
    world.replay(claimed.task.execution).await;
    let mut again = world.claim_one("f").await;
    let kept = again.history.iter().map(|entry| entry.head.position.0);
    assert!(kept.eq([3]), "nobody would ever answer the others");
    let writes = vec![call(1, task("child")), wait_for(2, "x", None)];
    world.write(&mut again, writes, waits(0)).await;
    let mut child = world.claim_one("child").await;
    world.complete(&mut child).await;
    world.signal(again.task.execution, "x", "1").await;
    let woken = world.claim_one("f").await;
    let outcomes = woken.history.iter().map(|entry| entry.outcome.clone());
    assert!(outcomes.eq([Some(value("true")), Some(value("1")), None]));
}

pub(crate) async fn a_child_that_outlived_the_end_does_not_answer_the_replay(world: World) {
    let mut claimed = world.start(task("f")).await;
    let mut child = world.start_child(&mut claimed, 1, task("child")).await;
    world.write(&mut claimed, Vec::new(), failed()).await;
    world.replay(claimed.task.execution).await;
    let mut again = world.claim_one("f").await;
    world
        .write(&mut again, vec![call(1, task("child"))], Then::Continue)
        .await;
    let late = world.commit_one(child.next(Vec::new(), done())).await;
    assert_eq!(late.delivered, None);
    assert_eq!(world.state(child.id()).await, StateKind::Cancelled);
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, None);
}

pub(crate) async fn only_dead_letters_are_replayed(world: World) {
    let pending = world.dispatch(task("pending")).await;
    let running = world.start(task("running")).await.task.execution;
    let mut completed = world.start(task("f")).await;
    world.complete(&mut completed).await;
    let cancelled = world.dispatch(task("f")).await;
    world.cancel(cancelled).await;
    let states = [
        (pending, StateKind::Pending),
        (running, StateKind::Running),
        (completed.task.execution, StateKind::Completed),
        (cancelled, StateKind::Cancelled),
    ];
    for (id, state) in states {
        let before = world.visible().await;
        assert_eq!(world.replay(id).await, ReplayAnswer::NotDeadLetter(state));
        assert_eq!(world.visible().await, before);
    }
    let nobody = new_id().as_root();
    assert_eq!(world.replay(nobody).await, ReplayAnswer::NoSuchExecution);
}

pub(crate) async fn a_failed_child_is_not_replayed_by_itself(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world.write(&mut child, Vec::new(), failed()).await;
    let answer = world.replay(child.id().as_root()).await;
    assert_eq!(answer, ReplayAnswer::NoSuchExecution);
    assert_eq!(world.state(child.id()).await, StateKind::Failed);
}

pub(crate) async fn a_dead_letter_that_is_replayed_twice_is_replayed_once(world: World) {
    let mut dead = world.start(task("f")).await;
    world.write(&mut dead, Vec::new(), failed()).await;
    let id = dead.task.execution;
    let answers = world.store.replay_dead_letters(vec![id, id]).await;
    assert_eq!(
        answered("replay", answers),
        [
            ReplayAnswer::Replayed,
            ReplayAnswer::NotDeadLetter(StateKind::Pending)
        ]
    );
}

pub(crate) async fn the_old_holder_of_a_replayed_task_has_lost_it(world: World) {
    let mut dead = world.start(task("f")).await;
    let mut late = dead.clone();
    world.write(&mut dead, Vec::new(), failed()).await;
    world.replay(dead.task.execution).await;
    late.number = 1;
    assert_eq!(
        world.refused(&mut late, Vec::new(), done()).await,
        stent_core::commit::CommitRefused::LeaseLost
    );
    world.claim_one("f").await;
    late.number = 1;
    assert_eq!(
        world.refused(&mut late, Vec::new(), done()).await,
        stent_core::commit::CommitRefused::LeaseLost
    );
}

pub(crate) async fn a_replayed_task_of_a_limited_function_takes_a_slot_again(world: World) {
    world.declare("f", at_most(1)).await;
    let mut dead = world.start(task("f")).await;
    world.write(&mut dead, Vec::new(), failed()).await;
    let mut other = world.start(task("f")).await;
    world.replay(dead.task.execution).await;
    assert!(world.claim(&["f"], 1).await.is_empty());
    world.complete(&mut other).await;
    assert_eq!(world.claim_one("f").await.id(), dead.id());
}

pub(crate) async fn a_replayed_execution_takes_signals_again(world: World) {
    let mut dead = world.start(task("f")).await;
    world.write(&mut dead, Vec::new(), failed()).await;
    world.replay(dead.task.execution).await;
    world.signal(dead.task.execution, "x", "1").await;
    let mut again = world.claim_one("f").await;
    world
        .write(&mut again, vec![wait_for(1, "x", None)], Then::Continue)
        .await;
    assert_eq!(world.entry(again.id(), 1).await.outcome, Some(value("1")));
}

pub(crate) async fn a_replayed_execution_is_no_longer_cleaned_up(world: World) {
    let mut dead = world.start(task("f")).await;
    world.write(&mut dead, Vec::new(), failed()).await;
    world.advance(100);
    world.replay(dead.task.execution).await;
    world.clean_up(5).await;
    assert_eq!(world.state(dead.id()).await, StateKind::Pending);
}
