//! Fenced writes: applied once and whole, in order, answered each for itself.

use stent_core::{
    CallPosition, FailureKind, Operation, Ordinal, Outcome, State, StateKind, StoreError, TaskId,
    commit::{Applied, Assumed, ChildRequest, CommitRefused, HistoryWrite, Place, Then},
    defaults,
    store::CommitRequest,
};

use crate::{
    world::{Held, World, lease_terms},
    writes::{
        at_most, call, done, failed, failure, new_id, new_mark, payload, seconds, sleep, step,
        step_at, task, value, waits,
    },
};

pub(crate) async fn an_outcome_is_kept_with_its_task(world: World) {
    let outcomes = [
        (value("null"), StateKind::Completed),
        (value("0"), StateKind::Completed),
        (value("false"), StateKind::Completed),
        (value("\"\""), StateKind::Completed),
        (Outcome::Failed(failure("broken")), StateKind::Failed),
        (
            Outcome::TimedOut(stent_core::Failure::new(FailureKind::Timeout, "slow")),
            StateKind::TimedOut,
        ),
        (Outcome::Cancelled, StateKind::Cancelled),
    ];
    for (outcome, state) in outcomes {
        let mut claimed = world.start(task("f")).await;
        world.advance(1);
        let then = Then::End(outcome.clone());
        let applied = world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(applied.ended, Some(state));
        assert!(!applied.still_held);
        let kept = world.task(claimed.id()).await;
        assert_eq!(kept.outcome, Some(outcome));
        assert_eq!(kept.task.state.kind(), state);
        assert_eq!(kept.task.state.ended_at(), Some(world.now()));
    }
}

pub(crate) async fn an_outcome_is_recorded_once(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.complete(&mut claimed).await;
    let before = world.visible().await;
    for then in [done(), failed(), Then::Continue, Then::Release, waits(0)] {
        let refused = world.refused(&mut claimed, Vec::new(), then).await;
        assert_eq!(refused, CommitRefused::LeaseLost);
    }
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_commit_sent_twice_does_no_second_thing(world: World) {
    let mut parent = world.start(task("f")).await;
    let writes = vec![step(1, "s", value("1")), call(2, task("child"))];
    let commit = parent.next(writes, Then::Continue);
    let first = world.commit_one(commit.clone()).await.result;
    let before = world.visible().await;
    let again = world.commit_one(commit).await.result;
    assert!(!first.expect("it was applied").repeated);
    let again = again.expect("it had been applied");
    assert!(again.repeated && again.still_held);
    assert_eq!(again.deliveries, Ordinal(1));
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_commit_sent_twice_is_answered_twice(world: World) {
    let mut parent = world.start(task("f")).await;
    let writes = vec![
        step(1, "s", value("1")),
        start_now(2, "child"),
        sleep(3, seconds(1)),
        call(4, task("elsewhere")),
    ];
    let commit = parent.next(writes, Then::Continue);
    let first = world.commit_one(commit.clone()).await.result;
    let again = world.commit_one(commit.clone()).await.result;
    let first = first.expect("it was applied");
    assert_eq!((first.started.len(), first.wakes.len()), (1, 1));
    let known = Applied {
        repeated: true,
        ..first.clone()
    };
    assert_eq!(again, Ok(known));

    let mut child = Held::new((*first.started[0].task).clone(), parent.epoch);
    world.complete(&mut child).await;
    let later = world.commit_one(commit).await.result;
    let later = later.expect("it had been applied");
    assert_eq!(later.started, Vec::new(), "the child has ended");
}

pub(crate) async fn an_end_sent_twice_is_known(world: World) {
    let mut claimed = world.start(task("f")).await;
    let commit = claimed.next(Vec::new(), done());
    for repeated in [false, true] {
        let applied = world.commit_one(commit.clone()).await.result;
        let applied = applied.expect("it is applied, or was");
        assert_eq!(applied.repeated, repeated);
        assert_eq!(applied.ended, Some(StateKind::Completed));
        assert!(!applied.still_held);
    }
}

pub(crate) async fn a_commit_that_comes_late_changes_nothing(world: World) {
    let mut claimed = world.start(task("f")).await;
    let first = claimed.next(vec![step(1, "s", value("1"))], Then::Continue);
    world
        .commit_one(first.clone())
        .await
        .result
        .expect("applied");
    world
        .write(&mut claimed, vec![step(2, "s", value("2"))], Then::Continue)
        .await;
    let before = world.visible().await;
    let late = world.commit_one(first).await.result;
    assert_eq!(
        late,
        Err(CommitRefused::OutOfOrder {
            number: 1,
            applied: 2
        })
    );
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_commit_that_skips_one_is_refused(world: World) {
    let mut claimed = world.start(task("f")).await;
    claimed.number = 1;
    assert_eq!(
        world.refused(&mut claimed, Vec::new(), done()).await,
        CommitRefused::OutOfOrder {
            number: 2,
            applied: 0
        }
    );
    assert_eq!(world.state(claimed.id()).await, StateKind::Running);
    // Numbers begin with 1: this is no repetition of one that was applied.
    let mut commit = claimed.next(Vec::new(), done());
    commit.number = 0;
    let refused = world.commit_one(commit).await.result;
    assert!(matches!(refused, Err(CommitRefused::OutOfOrder { .. })));
    assert_eq!(world.state(claimed.id()).await, StateKind::Running);
}

pub(crate) async fn commits_are_numbered_anew_under_each_lease(world: World) {
    let mut first = world.start(task("f")).await;
    world.write(&mut first, Vec::new(), Then::Continue).await;
    world.write(&mut first, Vec::new(), Then::Release).await;
    let mut second = world.claim_one("f").await;
    assert_eq!(second.task.commits, 0);
    world.complete(&mut second).await;
}

pub(crate) async fn two_commits_of_one_task_in_one_batch_both_count(world: World) {
    let mut claimed = world.start(task("f")).await;
    let first = claimed.next(vec![step(1, "s", value("1"))], Then::Continue);
    let second = claimed.next(vec![step(2, "s", value("2"))], done());
    let results = world.commit_all(vec![first, second]).await;
    let numbers: Vec<_> = results.iter().map(|one| (one.task, one.number)).collect();
    assert_eq!(numbers, [(claimed.id(), 1), (claimed.id(), 2)]);
    assert!(results.iter().all(|one| one.result.is_ok()));
    assert_eq!(world.state(claimed.id()).await, StateKind::Completed);
    assert_eq!(world.history(claimed.id()).await.len(), 2);
}

pub(crate) async fn a_refused_commit_changes_nothing_for_its_neighbours(world: World) {
    let mut good = world.start(task("f")).await;
    let mut bad = world.start(task("f")).await;
    let mut also_good = world.start(task("f")).await;
    bad.task.fence.mark.0 += 1;
    let unknown = Held {
        task: stent_core::Task {
            id: new_id(),
            ..good.task.clone()
        },
        ..good.clone()
    }
    .next(Vec::new(), done());
    let batch = vec![
        good.next(Vec::new(), done()),
        bad.next(vec![call(1, task("child"))], done()),
        unknown,
        also_good.next(Vec::new(), failed()),
    ];
    let results = world.commit_all(batch).await;
    let applied: Vec<_> = results.iter().map(|one| one.result.is_ok()).collect();
    assert_eq!(applied, [true, false, false, true]);
    assert_eq!(world.state(good.id()).await, StateKind::Completed);
    assert_eq!(world.state(bad.id()).await, StateKind::Running);
    assert_eq!(world.state(also_good.id()).await, StateKind::Failed);
    assert!(world.claim(&["child"], 1).await.is_empty());
}

pub(crate) async fn a_refused_commit_changes_nothing_of_its_own(world: World) {
    let mut claimed = world.start(task("f")).await;
    let before = world.visible().await;
    let misplaced = step_at(3, "s", value("1"), Place::Exactly(Ordinal(9)));
    let writes = vec![call(1, task("child")), step(2, "s", value("1")), misplaced];
    assert_eq!(
        world.refused(&mut claimed, writes, done()).await,
        CommitRefused::Stale
    );
    assert_eq!(world.visible().await, before);
    claimed.number = 0;
    world.complete(&mut claimed).await;
}

pub(crate) async fn a_position_that_is_taken_is_not_overwritten(world: World) {
    let mut claimed = world.start(task("f")).await;
    world
        .write(&mut claimed, vec![call(1, task("child"))], Then::Continue)
        .await;
    let before = world.visible().await;
    for write in [call(1, task("child")), step(1, "s", value("1"))] {
        let mut holder = claimed.clone();
        assert_eq!(
            world
                .refused(&mut holder, vec![write], Then::Continue)
                .await,
            CommitRefused::Stale
        );
    }
    let twice = vec![call(2, task("child")), call(2, task("child"))];
    assert_eq!(
        world.refused(&mut claimed, twice, Then::Continue).await,
        CommitRefused::Stale
    );
    assert_eq!(world.visible().await, before);
}

pub(crate) async fn a_batch_of_commits_that_is_too_long_is_refused_whole(world: World) {
    let mut claimed = world.start(task("f")).await;
    let commit = claimed.next(Vec::new(), done());
    let commits = vec![commit; defaults::BATCH_MAX + 1];
    let answer = world.store.commit(CommitRequest { commits }).await;
    assert!(
        matches!(answer, Err(StoreError::Refused { .. })),
        "{answer:?}"
    );
    assert_eq!(world.state(claimed.id()).await, StateKind::Running);
}

pub(crate) async fn a_call_makes_a_child_that_can_be_claimed(world: World) {
    let mut parent = world.start(task("f")).await;
    let child = task("child");
    world
        .write(&mut parent, vec![call(1, child.clone())], Then::Continue)
        .await;
    let claimed = world.claim_one("child").await;
    let (expected, input) = child.into_child(&parent.task, CallPosition(1), world.now());
    assert_eq!(claimed.id(), expected.id);
    assert_eq!(claimed.input, input);
    assert_eq!(claimed.task.parent, expected.parent);
    assert_eq!(claimed.task.execution, parent.task.execution);
}

pub(crate) async fn a_childs_end_is_recorded_with_its_parent_at_once(world: World) {
    let mut parent = world.start(task("f")).await;
    let outcomes = [value("42"), Outcome::Failed(failure("it broke"))];
    for (position, outcome) in (1..).zip(outcomes) {
        let mut child = world
            .start_child(&mut parent, position, task("child"))
            .await;
        let commit = child.next(Vec::new(), Then::End(outcome.clone()));
        let result = world.commit_one(commit).await;
        let delivered = result.delivered.expect("the parent takes it");
        assert_eq!(delivered.parent, parent.id());
        assert_eq!(delivered.position, CallPosition(position));
        assert_eq!(delivered.ordinal, Ordinal(position));
        let entry = world.entry(parent.id(), position).await;
        assert_eq!(entry.outcome, Some(outcome));
        assert_eq!(
            entry.head.resolved.and_then(|one| one.ordinal),
            Some(Ordinal(position))
        );
    }
    assert_eq!(world.task(parent.id()).await.task.deliveries, Ordinal(2));
}

pub(crate) async fn a_child_can_be_started_with_the_commit_that_makes_it(world: World) {
    let mut parent = world.start(task("f")).await;
    let applied = world
        .write(&mut parent, vec![start_now(1, "child")], Then::Continue)
        .await;
    assert_eq!(applied.started.len(), 1);
    let mut child = Held::new((*applied.started[0].task).clone(), parent.epoch);
    assert!(matches!(child.task.state, State::Running { .. }));
    assert_eq!(world.task(child.id()).await.task, child.task);
    assert!(world.claim(&["child"], 1).await.is_empty());
    world.complete(&mut child).await;
}

pub(crate) async fn a_child_that_is_not_due_is_not_started_with_its_commit(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut write = start_now(1, "child");
    if let HistoryWrite::Begin {
        child: Some(child), ..
    } = &mut write
    {
        child.task.due = stent_core::When::After(seconds(5));
    }
    let applied = world.write(&mut parent, vec![write], Then::Continue).await;
    assert!(applied.started.is_empty());
    world.advance(5);
    assert_eq!(world.claim(&["child"], 1).await.len(), 1);
}

pub(crate) async fn a_child_is_started_only_if_a_slot_is_free(world: World) {
    world.declare("child", at_most(2)).await;
    let mut parent = world.start(task("f")).await;
    let writes = (1..=3).map(|position| start_now(position, "child"));
    let applied = world
        .write(&mut parent, writes.collect(), Then::Continue)
        .await;
    assert_eq!(applied.started.len(), 2);
    assert_eq!(world.slots_held("child").await, 2);
    assert!(world.claim(&["child"], 3).await.is_empty());
}

pub(crate) async fn an_assumed_outcome_must_be_what_was_recorded(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let assumed = Assumed {
        position: CallPosition(1),
        ordinal: Ordinal(1),
        child: Some(child.fence()),
    };
    let mut early = parent.clone();
    let mut commit = early.next(vec![step(2, "s", value("1"))], Then::Continue);
    commit.assumes = vec![assumed];
    let refused = world.commit_one(commit.clone()).await.result;
    assert_eq!(refused, Err(CommitRefused::Stale));
    // The child's end and what was computed from it may travel together.
    let results = world
        .commit_all(vec![child.next(Vec::new(), done()), commit.clone()])
        .await;
    assert!(results.iter().all(|one| one.result.is_ok()), "{results:?}");
    assert_eq!(world.history(parent.id()).await.len(), 2);
}

pub(crate) async fn an_outcome_of_another_holder_than_assumed_is_stale(world: World) {
    let mut parent = world.start(task("f")).await;
    let lost = world.start_child(&mut parent, 1, task("child")).await;
    world.advance(50);
    world.renew(&parent).await;
    world.advance(20);
    let mut stolen = world.claim_one("child").await;
    world.complete(&mut stolen).await;
    let mut commit = parent.next(Vec::new(), done());
    for (fence, refused) in [(lost.fence(), true), (stolen.fence(), false)] {
        commit.assumes = vec![Assumed {
            position: CallPosition(1),
            ordinal: Ordinal(1),
            child: Some(fence),
        }];
        let result = world.commit_one(commit.clone()).await.result;
        assert_eq!(result == Err(CommitRefused::Stale), refused, "{result:?}");
    }
}

pub(crate) async fn an_outcome_in_another_place_than_assumed_is_stale(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut first = world.start_child(&mut parent, 1, task("child")).await;
    let mut second = world.start_child(&mut parent, 2, task("child")).await;
    world.complete(&mut second).await;
    world.complete(&mut first).await;
    let mut commit = parent.next(Vec::new(), done());
    commit.assumes = vec![Assumed {
        position: CallPosition(1),
        ordinal: Ordinal(1),
        child: None,
    }];
    assert_eq!(
        world.commit_one(commit).await.result,
        Err(CommitRefused::Stale)
    );
}

pub(crate) async fn what_a_body_asks_for_after_outcomes_that_are_not_recorded_is_stale(
    world: World,
) {
    let mut parent = world.start(task("f")).await;
    world
        .write(&mut parent, vec![sleep(1, seconds(100))], Then::Continue)
        .await;
    let after = Ordinal(1);
    let begun = HistoryWrite::Begin {
        position: CallPosition(2),
        key: None,
        operation: Operation::Sleep { span: seconds(1) },
        after,
        child: None,
    };
    let recorded = HistoryWrite::Record {
        position: CallPosition(2),
        key: None,
        operation: Operation::Now,
        after,
        outcome: value("1"),
        place: Place::None,
    };
    let abandoned = HistoryWrite::Abandon {
        position: CallPosition(1),
        seen: after,
    };
    let ahead = [
        (vec![begun.clone()], Then::Continue),
        (vec![recorded], Then::Continue),
        (vec![abandoned], Then::Continue),
        (Vec::new(), waits(1)),
    ];
    let before = world.visible().await;
    for (writes, then) in ahead {
        let commit = parent.clone().next(writes, then);
        let refused = world.commit_one(commit.clone()).await.result;
        assert_eq!(refused, Err(CommitRefused::Stale), "{commit:?}");
    }
    assert_eq!(world.visible().await, before);
    // What the same commit records comes before what follows it.
    let own = step_at(3, "s", value("1"), Place::Exactly(after));
    world
        .write(&mut parent, vec![own, begun], Then::Continue)
        .await;
    assert_eq!(world.history(parent.id()).await.len(), 3);
}

pub(crate) async fn a_deadline_that_the_holder_reports_is_recorded_as_such(world: World) {
    let mut claimed = world.start(task("f")).await;
    let failure = stent_core::Failure::new(FailureKind::Deadline, "late");
    let then = Then::End(Outcome::TimedOut(failure));
    world.write(&mut claimed, Vec::new(), then).await;
    let kept = world.task(claimed.id()).await;
    assert_eq!(kept.task.state.kind(), StateKind::TimedOut);
    let Some(Outcome::TimedOut(failure)) = kept.outcome else {
        panic!("its time was up: {:?}", kept.outcome);
    };
    // As the store says of one that nobody ran.
    assert_eq!(failure.message(), "its deadline passed before it had ended");
}

pub(crate) async fn a_commit_for_a_task_that_was_deleted_is_refused(world: World) {
    let mut claimed = world.start(task("f")).await;
    world.complete(&mut claimed).await;
    world.advance(10);
    world.clean_up(5).await;
    assert_eq!(
        world.refused(&mut claimed, Vec::new(), done()).await,
        CommitRefused::LeaseLost
    );
}

pub(crate) async fn a_join_of_many_calls_is_one_commit(world: World) {
    let mut parent = world.start(task("f")).await;
    let ids: Vec<TaskId> = (0..300).map(|_| new_id()).collect();
    let calls = (1..).zip(&ids).map(|(position, id)| {
        let mut child = task("child");
        child.id = *id;
        child.input = payload(&position.to_string());
        call(position, child)
    });
    world.write(&mut parent, calls.collect(), waits(0)).await;
    let mut children = world.claim(&["child"], 1_000).await;
    let claimed: Vec<_> = children.iter().map(Held::id).collect();
    assert_eq!(
        claimed, ids,
        "children are claimed in the order of their calls"
    );
    let ends = children
        .iter_mut()
        .map(|child| child.next(Vec::new(), done()));
    let results = world.commit_all(ends.collect()).await;
    let places = results
        .iter()
        .map(|one| one.delivered.map(|it| it.ordinal.0));
    assert!(
        places.eq((1..=300).map(Some)),
        "places follow the order of the ends"
    );
    assert_eq!(world.claim_one("f").await.history.len(), 300);
}

fn start_now(position: u32, function: &str) -> HistoryWrite {
    let child = ChildRequest {
        task: task(function),
        start: Some(lease_terms(new_mark())),
    };
    crate::writes::begin(
        position,
        stent_core::Operation::Child {
            function: child.task.function.clone(),
            input: child.task.input.digest(),
        },
        Some(child),
    )
}
