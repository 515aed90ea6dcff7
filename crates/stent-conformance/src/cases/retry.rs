//! Attempts, the delays between them, and what a further attempt keeps.

use stent_core::{
    Failure, FailureKind, NewTask, Ordinal, Outcome, State, StateKind, When, commit::Then,
    retry::RetryPolicy,
};

use crate::{
    world::World,
    writes::{
        abandon, asked_after, attempt_failed, call, failed, failure, fired, random, seconds, sleep,
        step, task, value, wait_for, waits, waits_until,
    },
};

pub(crate) async fn a_failed_attempt_is_followed_by_another_after_its_delay(world: World) {
    let id = world.dispatch(task("f")).await.root();
    for (attempt, delay) in [(1, 1), (2, 2)] {
        let mut claimed = world.claim_one("f").await;
        assert_eq!(claimed.task.attempt(), attempt);
        world
            .write(&mut claimed, Vec::new(), attempt_failed(3))
            .await;
        let run_at = world.after(delay);
        assert_eq!(world.task(id).await.task.state, State::Pending { run_at });
        world
            .clock
            .advance(seconds(delay) - std::time::Duration::from_micros(1));
        assert!(world.claim(&["f"], 1).await.is_empty(), "it came early");
        world.clock.advance(std::time::Duration::from_micros(1));
    }
    let mut last = world.claim_one("f").await;
    world.write(&mut last, Vec::new(), attempt_failed(3)).await;
    assert_eq!(world.state(id).await, StateKind::Failed);
    assert_eq!(
        world.task(id).await.outcome,
        Some(Outcome::Failed(failure("it broke")))
    );
}

pub(crate) async fn an_attempt_that_waits_without_a_lease_is_due_when_its_time_is_up(world: World) {
    let mut first = world.start(task("f")).await;
    let ends = world.after(10);
    let waiting = vec![wait_for(1, "x", None), sleep(2, seconds(100))];
    world.write(&mut first, waiting, waits_until(0, ends)).await;
    let wake_at = Some(ends);
    let suspended = world.task(first.id()).await.task;
    assert_eq!(suspended.state, State::Suspended { wake_at });
    world.advance(9);
    assert!(world.claim(&["f"], 1).await.is_empty(), "it came early");
    world.advance(1);

    let mut woken = world.claim_one("f").await;
    assert_eq!(woken.task.attempt_ends, Some(ends));
    world.write(&mut woken, Vec::new(), attempt_failed(3)).await;
    world.advance(1);
    let second = world.claim_one("f").await;
    assert_eq!((second.task.attempt(), second.task.attempt_ends), (2, None));
}

pub(crate) async fn a_failure_that_no_attempt_can_mend_is_final(world: World) {
    for kind in [
        FailureKind::Fatal,
        FailureKind::UndecodableInput,
        FailureKind::UnstorableResult,
        FailureKind::HistoryMismatch,
    ] {
        let mut claimed = world.start(task("f")).await;
        let then = Then::Fail {
            failure: Failure::new(kind, "no use"),
            policy: RetryPolicy::stated(),
            random: 0,
        };
        world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(world.state(claimed.id()).await, StateKind::Failed);
    }
}

pub(crate) async fn an_attempt_that_timed_out_is_retried_and_ends_as_timed_out(world: World) {
    let id = world.dispatch(task("f")).await.root();
    for state in [StateKind::Pending, StateKind::TimedOut] {
        let mut claimed = world.claim_one("f").await;
        let then = Then::Fail {
            failure: Failure::new(FailureKind::Timeout, "slow"),
            policy: RetryPolicy::stated().max_attempts(2).expect("a policy"),
            random: u32::MAX,
        };
        world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(world.state(id).await, state);
        world.advance(10);
    }
}

pub(crate) async fn a_task_that_made_calls_is_retried_only_if_it_says_so(world: World) {
    for (policy, state) in [
        (RetryPolicy::default(), StateKind::Failed),
        (RetryPolicy::stated(), StateKind::Pending),
    ] {
        let mut claimed = world.start(task("f")).await;
        let then = Then::Fail {
            failure: failure("it broke"),
            policy,
            random: 0,
        };
        let writes = vec![step(1, "s", value("1"))];
        world.write(&mut claimed, writes, then).await;
        assert_eq!(world.state(claimed.id()).await, state);
    }
}

pub(crate) async fn random_values_are_no_calls_and_a_further_attempt_has_them_again(world: World) {
    let mut claimed = world.start(task("f")).await;
    let then = Then::Fail {
        failure: failure("it broke"),
        policy: RetryPolicy::default(),
        random: 0,
    };
    world
        .write(&mut claimed, vec![random(0, "7")], Then::Continue)
        .await;
    world.write(&mut claimed, vec![random(1, "8")], then).await;
    world.advance(2);
    let again = world.claim_one("f").await;
    let drawn = again.history.iter().map(|entry| entry.outcome.clone());
    assert!(drawn.eq([Some(value("7")), Some(value("8"))]));
}

pub(crate) async fn no_attempt_begins_after_the_deadline(world: World) {
    let root = NewTask {
        deadline: Some(When::After(seconds(1))),
        ..task("f")
    };
    let mut claimed = world.start(root).await;
    world
        .write(&mut claimed, Vec::new(), attempt_failed(9))
        .await;
    assert_eq!(world.state(claimed.id()).await, StateKind::Failed);
}

pub(crate) async fn a_crash_is_no_attempt(world: World) {
    world.start(task("f")).await;
    world.advance(60);
    let mut again = world.claim_one("f").await;
    assert_eq!((again.task.attempt(), again.task.crashes.total), (1, 1));
    world.write(&mut again, Vec::new(), attempt_failed(2)).await;
    assert_eq!(world.state(again.id()).await, StateKind::Pending);
}

pub(crate) async fn a_failure_that_is_recorded_twice_counts_once(world: World) {
    let mut claimed = world.start(task("f")).await;
    let commit = claimed.next(Vec::new(), attempt_failed(9));
    for repeated in [false, true] {
        let applied = world.commit_one(commit.clone()).await.result;
        assert_eq!(applied.expect("applied, or was").repeated, repeated);
    }
    assert_eq!(world.task(claimed.id()).await.task.failed_attempts, 1);
}

pub(crate) async fn a_further_attempt_keeps_what_completed_and_does_the_failed_end_anew(
    world: World,
) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        step(1, "done", value("1")),
        step(2, "handled", Outcome::Failed(failure("caught"))),
        step(3, "done too", value("3")),
        step(4, "failed", Outcome::Failed(failure("it broke"))),
        asked_after(4, sleep(5, seconds(5))),
    ];
    world.write(&mut claimed, writes, attempt_failed(2)).await;
    world.advance(1);
    let again = world.claim_one("f").await;
    let kept = again.history.iter().map(|entry| entry.head.position.0);
    assert!(kept.eq([1, 2, 3]));
    assert_eq!(again.task.deliveries, Ordinal(3));
    assert_eq!(again.task.operations, 3);
}

pub(crate) async fn a_failed_child_is_made_anew_by_a_further_attempt(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world.write(&mut child, Vec::new(), failed()).await;
    world
        .write(&mut parent, Vec::new(), attempt_failed(2))
        .await;
    world.advance(1);
    let mut again = world.claim_one("f").await;
    assert!(again.history.is_empty());
    let mut second = world.start_child(&mut again, 1, task("child")).await;
    world.complete(&mut second).await;
    assert_eq!(
        world.entry(parent.id(), 1).await.outcome,
        Some(value("true"))
    );
    assert_eq!(
        world.state(child.id()).await,
        StateKind::Failed,
        "the first stays as it was"
    );
}

pub(crate) async fn a_retried_call_is_not_given_the_outcome_of_the_child_that_it_replaced(
    world: World,
) {
    let mut parent = world.start(task("f")).await;
    let writes = vec![
        step(1, "failed", Outcome::Failed(failure("it broke"))),
        asked_after(1, call(2, task("child"))),
    ];
    world.write(&mut parent, writes, Then::Continue).await;
    let mut old = world.claim_one("child").await;
    world
        .write(&mut parent, Vec::new(), attempt_failed(2))
        .await;
    assert!(
        world.task(old.id()).await.task.cancel_requested,
        "it is told to stop"
    );
    world.advance(1);
    let mut again = world.claim_one("f").await;
    let writes = vec![step(1, "failed", value("1")), call(2, task("child"))];
    world.write(&mut again, writes, Then::Continue).await;
    let result = world.commit_one(old.next(Vec::new(), Then::Release)).await;
    assert_eq!(result.delivered, None);
    assert_eq!(world.state(old.id()).await, StateKind::Cancelled);
    assert_eq!(world.entry(parent.id(), 2).await.outcome, None);
    let mut new = world.claim_one("child").await;
    world.complete(&mut new).await;
    assert_eq!(
        world.entry(parent.id(), 2).await.outcome,
        Some(value("true"))
    );
}

pub(crate) async fn calls_that_still_run_go_on_over_a_retry(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut running = world.start_child(&mut parent, 1, task("slow")).await;
    let mut broken = world.start_child(&mut parent, 2, task("broken")).await;
    world.write(&mut broken, Vec::new(), failed()).await;
    world
        .write(&mut parent, Vec::new(), attempt_failed(2))
        .await;
    world.complete(&mut running).await;
    world.advance(1);
    let again = world.claim_one("f").await;
    assert_eq!(again.history.len(), 1);
    assert_eq!(again.history[0].outcome, Some(value("true")));
    assert_eq!(
        again.history[0].head.resolved.and_then(|it| it.ordinal),
        Some(Ordinal(1))
    );
}

pub(crate) async fn a_wait_for_a_signal_lasts_over_a_retry(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        wait_for(1, "x", None),
        step(2, "failed", Outcome::Failed(failure("it broke"))),
    ];
    world.write(&mut claimed, writes, attempt_failed(2)).await;
    world.signal(claimed.task.execution, "x", "7").await;
    world.advance(1);
    let mut again = world.claim_one("f").await;
    assert_eq!(again.history.len(), 1);
    assert_eq!(again.history[0].outcome, Some(value("7")));
    let applied = world
        .write(&mut again, vec![sleep(2, seconds(1))], waits(1))
        .await;
    assert!(!applied.still_held);
}

pub(crate) async fn a_wait_that_was_given_up_is_begun_anew_by_a_further_attempt(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        wait_for(1, "x", None),
        sleep(2, seconds(60)),
        step(3, "failed", Outcome::Failed(failure("it broke"))),
    ];
    world.write(&mut claimed, writes, Then::Continue).await;
    let gives_up = vec![abandon(1, 1), abandon(2, 1)];
    world.write(&mut claimed, gives_up, attempt_failed(2)).await;
    world.advance(1);
    let mut again = world.claim_one("f").await;
    assert!(again.history.is_empty(), "{:?}", again.history);
    let applied = world
        .write(&mut again, vec![wait_for(1, "x", None)], waits(0))
        .await;
    assert!(!applied.still_held);
    world.signal(again.task.execution, "x", "7").await;
    let woken = world.claim_one("f").await;
    assert_eq!(woken.history[0].outcome, Some(value("7")));
}

pub(crate) async fn of_two_waits_the_one_that_was_not_given_up_lasts_over_a_retry(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        wait_for(1, "x", None),
        wait_for(2, "y", None),
        step(3, "failed", Outcome::Failed(failure("it broke"))),
    ];
    world.write(&mut claimed, writes, Then::Continue).await;
    world
        .write(&mut claimed, vec![abandon(1, 1)], attempt_failed(2))
        .await;
    world.advance(1);
    let again = world.claim_one("f").await;
    let left: Vec<u32> = again
        .history
        .iter()
        .map(|entry| entry.head.position.0)
        .collect();
    assert_eq!(left, [2]);
}

pub(crate) async fn what_ended_with_the_failed_attempt_lasts_over_a_retry(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        wait_for(1, "x", Some(seconds(5))),
        wait_for(2, "y", None),
        wait_for(3, "z", None),
    ];
    world.write(&mut claimed, writes, Then::Continue).await;
    world.advance(6);
    // The first wait is over, the last is given up, and what was asked for then fails.
    let writes = vec![
        fired(1),
        abandon(3, 1),
        asked_after(1, step(4, "failed", Outcome::Failed(failure("it broke")))),
    ];
    world.write(&mut claimed, writes, attempt_failed(2)).await;
    world.advance(1);
    let again = world.claim_one("f").await;
    assert_eq!(again.task.deliveries, Ordinal(1));
    let left = again.history.iter().map(|entry| {
        let head = &entry.head;
        (head.position.0, head.resolved.is_some())
    });
    assert_eq!(left.collect::<Vec<_>>(), [(1, true), (2, false)]);
}

pub(crate) async fn a_delay_is_spread_by_what_its_holder_drew(world: World) {
    for (random, delay) in [(0, 900), (u32::MAX / 2, 1_000), (u32::MAX, 1_100)] {
        let mut claimed = world.start(task("f")).await;
        let then = Then::Fail {
            failure: failure("it broke"),
            policy: RetryPolicy::stated(),
            random,
        };
        world.write(&mut claimed, Vec::new(), then).await;
        let State::Pending { run_at } = world.task(claimed.id()).await.task.state else {
            panic!("it is tried again");
        };
        let millis = run_at.since(world.now()).as_micros().div_ceil(1_000);
        assert_eq!(millis, delay, "random {random}");
        world.advance(2);
        let mut again = world.claim_one("f").await;
        world.complete(&mut again).await;
    }
}

pub(crate) async fn a_delay_without_bound_is_kept_within_time(world: World) {
    let mut claimed = world.start(task("f")).await;
    let longest = std::time::Duration::MAX;
    let policy = RetryPolicy::stated()
        .initial_delay(longest)
        .max_delay(longest);
    let then = Then::Fail {
        failure: failure("it broke"),
        policy,
        random: u32::MAX,
    };
    world.write(&mut claimed, Vec::new(), then).await;
    let run_at = stent_core::Timestamp::MAX;
    assert_eq!(
        world.task(claimed.id()).await.task.state,
        State::Pending { run_at }
    );
}
