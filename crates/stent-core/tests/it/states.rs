//! Every state with every event: the state that follows with the whole list of effects, or the refusal.

use std::time::Duration;

use stent_core::{
    CallPosition, ClaimMark, Crashes, Effect, Failure, FailureKind, Fence, FencingToken,
    FunctionName, Ordinal, ParentLink, Priority, QueueName, Refused, State, StateKind, Task,
    TaskId, Timestamp, Transition, WorkerName, cancel, dead_letter,
    history::{self, Kept},
    lease::{self, CrashLimit, LeaseDuration, LeaseTerms},
    retention,
    retry::{self, AfterFailure, RetryPolicy},
};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() + seconds * 1_000_000)
}

fn task(state: State) -> Task {
    let id = TaskId::from_parts(NOW, &[1; 10]);
    let holds_slot = matches!(state, State::Running { .. } | State::Suspended { .. });
    Task {
        id,
        execution: id.as_root(),
        parent: None,
        function: FunctionName::new("f").unwrap(),
        queue: QueueName::default(),
        priority: Priority(0),
        state,
        fence: Fence {
            token: FencingToken(7),
            mark: ClaimMark(70),
        },
        commits: 3,
        failed_attempts: 1,
        crashes: Crashes::default(),
        holds_slot,
        cancel_requested: false,
        operations: 2,
        deliveries: Ordinal(1),
        timeout: None,
        attempt_ends: None,
        deadline: None,
        queued_at: at(-50),
        created_at: at(-100),
    }
}

fn child(state: State) -> Task {
    Task {
        execution: TaskId::from_parts(NOW, &[2; 10]).as_root(),
        parent: Some(ParentLink {
            task: TaskId::from_parts(NOW, &[2; 10]),
            position: CallPosition(4),
        }),
        ..task(state)
    }
}

fn running(expires_in: i64) -> State {
    State::Running {
        holder: WorkerName::new("w1").unwrap(),
        expires_at: at(expires_in),
    }
}

/// Every state in each way in which it matters.
fn states() -> Vec<(&'static str, State)> {
    let ended = at(-1);
    vec![
        ("pending, due", State::Pending { run_at: NOW }),
        ("pending, later", State::Pending { run_at: at(5) }),
        ("running", running(5)),
        ("running, lease over", running(0)),
        ("suspended", State::Suspended { wake_at: None }),
        ("suspended, due", State::Suspended { wake_at: Some(NOW) }),
        (
            "suspended, later",
            State::Suspended {
                wake_at: Some(at(5)),
            },
        ),
        ("completed", State::Completed { at: ended }),
        ("failed", State::Failed { at: ended }),
        ("timed out", State::TimedOut { at: ended }),
        ("cancelled", State::Cancelled { at: ended }),
    ]
}

fn effect(effect: &Effect) -> &'static str {
    match effect {
        Effect::KeepOutcome(_) => "outcome",
        Effect::RecordInParent { .. } => "parent",
        Effect::CancelDescendants => "cancel below",
        Effect::DropSignalWaits => "drop waits",
        Effect::Hint(_) => "hint",
    }
}

fn shown(answer: Result<Transition, Refused>) -> String {
    match answer {
        Ok(Transition { task, effects }) => {
            let effects: Vec<_> = effects.iter().map(effect).collect();
            format!("{} [{}]", task.state.kind(), effects.join(", "))
        }
        Err(refused) => {
            let name = match refused {
                Refused::NotDue { .. } => "not due",
                Refused::Leased { .. } => "leased",
                Refused::Waiting => "waiting",
                Refused::Terminal => "terminal",
                Refused::Overdue => "overdue",
                Refused::LeaseLost => "lease lost",
                Refused::NotDeadLetter => "no dead letter",
                Refused::NotRoot => "no root",
                _ => "another refusal",
            };
            format!("refused: {name}")
        }
    }
}

/// Compares what an event does to every state with what it should.
fn check(event: impl Fn(State) -> Result<Transition, Refused>, expected: [&str; 11]) {
    for ((name, state), expected) in states().into_iter().zip(expected) {
        assert_eq!(shown(event(state)), expected, "{name}");
    }
}

const ENDED: &str = "refused: terminal";

fn terms() -> LeaseTerms {
    LeaseTerms {
        holder: WorkerName::new("w2").unwrap(),
        mark: ClaimMark(71),
        duration: LeaseDuration::new(Duration::from_secs(60)).unwrap(),
    }
}

#[test]
fn a_task_that_is_taken_over_is_due_at_once_also_when_the_clock_was_set_back_since() {
    let limit = CrashLimit::new(5).unwrap();
    let mut lost = task(State::Running {
        holder: WorkerName::new("w").unwrap(),
        expires_at: NOW,
    });
    lost.queued_at = NOW.saturating_add(Duration::from_secs(3_600));
    let taken = lease::ran_out(lost, limit, NOW).unwrap().task;
    assert_eq!(taken.state, State::Pending { run_at: NOW });
}

#[test]
fn only_what_is_due_is_claimed() {
    check(
        |state| lease::claim(task(state), &terms(), true, NOW),
        [
            "running []",
            "refused: not due",
            "refused: leased",
            // A lease that is over is taken over first, by another rule.
            "refused: leased",
            "refused: waiting",
            "running []",
            "refused: not due",
            ENDED,
            ENDED,
            ENDED,
            ENDED,
        ],
    );
}

#[test]
fn a_claim_gives_out_a_larger_token_a_new_mark_and_a_slot() {
    let before = task(State::Pending { run_at: NOW });
    let after = lease::claim(before.clone(), &terms(), true, NOW)
        .unwrap()
        .task;
    let expected = Task {
        fence: Fence {
            token: FencingToken(8),
            mark: ClaimMark(71),
        },
        commits: 0,
        holds_slot: true,
        state: State::Running {
            holder: WorkerName::new("w2").unwrap(),
            expires_at: at(60),
        },
        ..before
    };
    assert_eq!(after, expected);
}

#[test]
fn an_overdue_task_is_never_claimed() {
    let overdue = Task {
        deadline: Some(NOW),
        ..task(State::Pending { run_at: NOW })
    };
    assert_eq!(
        shown(lease::claim(overdue, &terms(), false, NOW)),
        "refused: overdue"
    );
}

#[test]
fn only_the_newest_fence_of_a_running_task_renews() {
    let lost = "refused: lease lost";
    let mut expected = [lost; 11];
    expected[2] = "running []";
    // Nobody took it over yet.
    expected[3] = "running []";
    let duration = terms().duration;
    check(
        |state| {
            let task = task(state);
            let fence = task.fence;
            lease::renew(task, fence, duration, NOW)
        },
        expected,
    );
    for wrong in [
        Fence {
            token: FencingToken(6),
            mark: ClaimMark(70),
        },
        Fence {
            token: FencingToken(7),
            mark: ClaimMark(71),
        },
        Fence {
            token: FencingToken(8),
            mark: ClaimMark(70),
        },
    ] {
        check(
            |state| lease::renew(task(state), wrong, duration, NOW),
            [lost; 11],
        );
    }
}

#[test]
fn only_a_lease_that_is_over_is_taken_away() {
    let limit = CrashLimit::new(2).unwrap();
    check(
        |state| lease::ran_out(task(state), limit, NOW),
        [
            "refused: waiting",
            "refused: waiting",
            "refused: leased",
            "pending [hint, hint]",
            "refused: waiting",
            "refused: waiting",
            "refused: waiting",
            ENDED,
            ENDED,
            ENDED,
            ENDED,
        ],
    );
}

#[test]
fn a_task_that_was_lost_goes_back_with_its_age_or_ends() {
    let limit = CrashLimit::new(2).unwrap();
    let lost = |task: Task| lease::ran_out(task, limit, NOW).unwrap();
    let back = lost(task(running(0))).task;
    assert_eq!(back.state, State::Pending { run_at: at(-50) });
    assert!(!back.holds_slot && back.failed_attempts == 1 && back.crashes.total == 1);
    let to_be_cancelled = Task {
        cancel_requested: true,
        deadline: Some(NOW),
        ..task(running(0))
    };
    assert_eq!(
        lost(to_be_cancelled).task.state,
        State::Cancelled { at: NOW }
    );
    let overdue = Task {
        deadline: Some(NOW),
        ..task(running(0))
    };
    assert_eq!(lost(overdue).task.state, State::TimedOut { at: NOW });
    for (total, as_suspect, commits, kind) in [
        // Not a suspect yet; a suspect whose body never began; one that may be it; one that is.
        (1, 1, 9, StateKind::Pending),
        (5, 1, 0, StateKind::Pending),
        (2, 0, 1, StateKind::Pending),
        (5, 1, 1, StateKind::Failed),
    ] {
        let suspect = Task {
            crashes: Crashes { total, as_suspect },
            commits,
            ..task(running(0))
        };
        assert_eq!(
            lost(suspect).task.state.kind(),
            kind,
            "{total} {as_suspect} {commits}"
        );
    }
}

#[test]
fn a_cancel_ends_what_nobody_runs_and_asks_the_rest_to_stop() {
    let waits = "cancelled [outcome, drop waits, cancel below, hint]";
    let holds = "cancelled [outcome, hint, drop waits, cancel below, hint]";
    let asked = "running [cancel below, hint]";
    check(
        |state| cancel::request(task(state), NOW),
        [
            waits, waits, asked, asked, holds, holds, holds, ENDED, ENDED, ENDED, ENDED,
        ],
    );
    let again = cancel::request(task(running(5)), NOW).unwrap().task;
    assert_eq!(shown(cancel::request(again, NOW)), "running []");
}

#[test]
fn the_end_of_a_child_goes_to_its_parent() {
    let ended = cancel::request(child(State::Pending { run_at: NOW }), NOW);
    assert_eq!(
        shown(ended),
        "cancelled [outcome, drop waits, cancel below, parent]"
    );
    let without_history = Task {
        operations: 0,
        ..child(State::Pending { run_at: NOW })
    };
    assert_eq!(
        shown(cancel::request(without_history, NOW)),
        "cancelled [outcome, parent]"
    );
}

#[test]
fn a_deadline_ends_only_what_nobody_runs() {
    let overdue = |state| Task {
        deadline: Some(NOW),
        ..task(state)
    };
    let waits = "timed_out [outcome, drop waits, cancel below, hint]";
    let holds = "timed_out [outcome, hint, drop waits, cancel below, hint]";
    let leased = "refused: leased";
    check(
        |state| cancel::deadline_passed(overdue(state), NOW),
        [
            waits, waits, leased, leased, holds, holds, holds, ENDED, ENDED, ENDED, ENDED,
        ],
    );
    for deadline in [None, Some(at(1))] {
        let in_time = Task {
            deadline,
            ..task(State::Suspended { wake_at: None })
        };
        assert_eq!(
            shown(cancel::deadline_passed(in_time, NOW)),
            "refused: waiting"
        );
    }
}

#[test]
fn an_outcome_reaches_whatever_has_not_ended_and_wakes_what_waits() {
    check(
        |state| history::deliver(task(state), NOW),
        [
            "pending []",
            "pending []",
            "running [hint]",
            "running [hint]",
            "suspended [hint]",
            "suspended [hint]",
            "suspended [hint]",
            ENDED,
            ENDED,
            ENDED,
            ENDED,
        ],
    );
    for (wake_at, due) in [(None, NOW), (Some(at(5)), NOW), (Some(at(-5)), at(-5))] {
        let woken = history::deliver(task(State::Suspended { wake_at }), NOW)
            .unwrap()
            .task;
        assert_eq!(woken.state, State::Suspended { wake_at: Some(due) });
        assert_eq!((woken.queued_at, woken.deliveries), (due, Ordinal(2)));
        assert!(woken.holds_slot, "it goes on with the slot that it has");
    }
}

#[test]
fn only_a_dead_letter_is_replayed() {
    let kept = Kept {
        deliveries: Ordinal::NONE,
        removed: Vec::new(),
    };
    let mut expected = ["refused: no dead letter"; 11];
    expected[8] = "pending [hint]";
    check(
        |state| dead_letter::replay(task(state), &kept, NOW),
        expected,
    );
    expected[8] = "refused: no root";
    check(
        |state| dead_letter::replay(child(state), &kept, NOW),
        expected,
    );
}

#[test]
fn a_holder_renews_at_a_third_of_its_lease_and_stops_before_its_end() {
    let seconds = Duration::from_secs;
    let millis = Duration::from_millis;
    for (lease, renews_after, holds_for) in [
        (seconds(300), seconds(100), seconds(298)),
        (seconds(12), seconds(4), millis(10_800)),
        (millis(30), millis(10), millis(27)),
    ] {
        let lease = LeaseDuration::new(lease).unwrap();
        assert_eq!(lease.renew_after(), renews_after);
        assert_eq!(lease.hold_for(), holds_for);
    }
    assert!(LeaseDuration::new(millis(10)).is_ok());
    assert!(LeaseDuration::new(millis(9)).is_err());
    assert!(LeaseDuration::new(seconds(365 * 86_400)).is_ok());
    assert!(LeaseDuration::new(seconds(365 * 86_400 + 1)).is_err());
}

#[test]
fn an_execution_is_expired_when_its_root_ended_before_the_cutoff() {
    let cutoff = at(-10);
    let ended = |seconds| State::Completed { at: at(seconds) };
    let of_root = |state| retention::is_expired(&task(state), cutoff);
    assert!(of_root(ended(-11)));
    assert!(!of_root(ended(-10)), "at that very instant");
    assert!(!of_root(ended(-9)));
    assert!(of_root(State::Failed { at: at(-11) }));
    assert!(!of_root(running(-11)));
    assert!(!of_root(State::Pending { run_at: at(-11) }));
    assert!(!retention::is_expired(&child(ended(-11)), cutoff));
}

#[test]
fn a_failed_attempt_is_followed_by_another_as_its_policy_says() {
    let failure = |kind| Failure::new(kind, "why");
    let after = |policy: &RetryPolicy, task: &Task, made_calls, kind| {
        retry::after_failure(policy, task, made_calls, &failure(kind), NOW, 0.5)
    };
    let again = |seconds| AfterFailure::Retry {
        delay: Duration::from_secs(seconds),
    };
    let (default, stated) = (RetryPolicy::default(), RetryPolicy::stated());
    // The second attempt of three has failed.
    let second = task(running(5));
    assert_eq!(
        after(&default, &second, false, FailureKind::Error),
        again(2)
    );
    let third = Task {
        failed_attempts: 2,
        ..second.clone()
    };
    let gives_up = AfterFailure::GiveUp;
    assert_eq!(after(&default, &third, false, FailureKind::Error), gives_up);
    assert_eq!(
        after(&default, &second, false, FailureKind::Fatal),
        gives_up
    );
    // Its calls had attempts of their own.
    assert_eq!(after(&default, &second, true, FailureKind::Error), gives_up);
    assert_eq!(after(&stated, &second, true, FailureKind::Error), again(2));
    let by = |seconds| Task {
        deadline: Some(at(seconds)),
        ..second.clone()
    };
    assert_eq!(after(&default, &by(3), false, FailureKind::Error), again(2));
    assert_eq!(after(&default, &by(2), false, FailureKind::Error), gives_up);
}
