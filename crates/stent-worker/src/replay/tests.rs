//! What a body is given, in which order, and what is written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use stent_core::{EntryHead, QueueName, StepName, TaskId, When, history::HistoryEntry};

use super::*;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn name(text: &str) -> FunctionName {
    FunctionName::new(text).unwrap()
}

fn operation(function: &str) -> Operation {
    Operation::Child {
        function: name(function),
        input: Payload::null().digest(),
    }
}

fn child(function: &str) -> Asked {
    Asked::Child {
        operation: operation(function),
        task: Box::new(NewTask {
            id: TaskId::from_parts(Timestamp::MIN, &[1; 10]),
            function: name(function),
            queue: QueueName::default(),
            priority: stent_core::Priority(0),
            due: When::Now,
            input: Payload::null(),
            timeout: None,
            deadline: None,
        }),
    }
}

fn step(text: &str) -> Asked {
    Asked::Step {
        operation: Operation::Step {
            name: StepName::new(text).unwrap(),
        },
    }
}

fn value(number: u32) -> Outcome {
    Outcome::Completed(Payload::from_stored(number.to_string()))
}

fn entry(position: u32, function: &str, outcome: Option<(u32, Outcome)>) -> HistoryEntry {
    HistoryEntry {
        head: EntryHead {
            position: CallPosition(position),
            key: None,
            operation: operation(function),
            after: Ordinal::NONE,
            child: None,
            wake_at: None,
            abandoned: false,
            signal: None,
            resolved: outcome
                .as_ref()
                .map(|(ordinal, outcome)| stent_core::history::Resolved {
                    completed: outcome.is_completed(),
                    ordinal: Some(Ordinal(*ordinal)),
                }),
        },
        outcome: outcome.map(|(_, outcome)| outcome),
    }
}

fn begin(replay: &mut Replay, asked: Asked) -> CallPosition {
    let position = replay.reserve();
    replay.begin(position, None, asked)
}

#[test]
fn outcomes_are_delivered_one_at_a_time_in_the_recorded_order() {
    let history = vec![
        entry(1, "a", Some((2, value(10)))),
        entry(2, "b", Some((1, value(20)))),
    ];
    let mut replay = Replay::new(name("f"), history);
    let (a, b) = (
        begin(&mut replay, child("a")),
        begin(&mut replay, child("b")),
    );
    let waker = Waker::noop();
    assert!(replay.poll(a, waker).is_none() && replay.poll(b, waker).is_none());
    assert!(replay.deliver_next());
    assert_eq!(replay.poll(a, waker), None);
    assert_eq!(replay.poll(b, waker), Some(value(20)));
    assert!(replay.deliver_next());
    assert_eq!(replay.poll(a, waker), Some(value(10)));
    assert!(!replay.deliver_next() && !replay.has_urgent_writes());
}

#[test]
fn another_function_at_a_position_is_a_mismatch_that_shows_both_sides() {
    let mut replay = Replay::new(name("f"), vec![entry(1, "a", None)]);
    begin(&mut replay, child("b"));
    let message = replay.mismatch(false).unwrap().to_string();
    assert!(
        message.contains("call of `a`")
            && message.contains("call of `b`")
            && message.contains("position 1"),
        "{message}"
    );
    assert!(!replay.deliver_next());
}

#[test]
fn a_body_that_ends_without_asking_for_what_is_recorded_is_a_mismatch() {
    let mut replay = Replay::new(name("f"), vec![entry(1, "a", None)]);
    assert_eq!(replay.mismatch(false), None);
    assert!(matches!(
        replay.mismatch(true),
        Some(Mismatch::Missing { did: "ended", .. })
    ));
}

#[test]
fn an_outcome_waits_for_a_body_that_first_does_something_that_is_not_durable() {
    let mut replay = Replay::new(name("f"), vec![entry(1, "a", Some((1, value(1))))]);
    assert!(!replay.deliver_next());
    assert_eq!(replay.mismatch(false), None);
    begin(&mut replay, child("a"));
    assert!(replay.deliver_next());
}

#[test]
fn a_call_that_is_made_and_never_awaited_does_not_shift_later_positions() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let never = replay.reserve();
    let next = begin(&mut replay, child("a"));
    assert_eq!((never, next), (CallPosition(1), CallPosition(2)));
}

#[test]
fn a_keyed_call_is_found_again_whatever_the_order_of_polling() {
    let key = |text| Some(CallKey::new(text).unwrap());
    let mut first = Replay::new(name("f"), Vec::new());
    let left = first.begin(CallPosition(1), key("left"), child("a"));
    let right = first.begin(CallPosition(2), key("right"), child("a"));
    let mut recorded = vec![
        entry(left.0, "a", Some((1, value(1)))),
        entry(right.0, "a", Some((2, value(2)))),
    ];
    recorded[0].head.key = key("left");
    recorded[1].head.key = key("right");
    let mut again = Replay::new(name("f"), recorded);
    assert_eq!(
        again.begin(CallPosition(1), key("right"), child("a")),
        right
    );
    assert_eq!(again.begin(CallPosition(2), key("left"), child("a")), left);
    assert_eq!(again.mismatch(false), None);
}

#[test]
fn a_step_waits_until_what_it_was_computed_from_is_committed() {
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut replay = Replay::new(name("f"), Vec::new());
    replay.value(Operation::Random, |_| Payload::null());
    let step = begin(&mut replay, step("pay"));
    assert!(!replay.start_step(step, &waker));
    assert!(replay.wants_to_settle());
    let writes = replay.take_writes(|_| None);
    assert_eq!(writes.writes.len(), 1);
    assert!(
        !replay.start_step(step, &waker),
        "the commit is on its way only"
    );
    replay.committed();
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert!(replay.start_step(step, &waker));
}

#[test]
fn a_first_step_needs_no_commit_before_it() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let position = begin(&mut replay, step("a"));
    assert!(replay.start_step(position, Waker::noop()));
    replay.finish(position, value(1));
    assert!(replay.deliver_next(), "the body runs ahead of the commit");
    let writes = replay.take_writes(|_| None).writes;
    assert!(matches!(
        &writes[..],
        [HistoryWrite::Record {
            place: Place::Exactly(Ordinal(1)),
            ..
        }]
    ));
}

#[test]
fn the_place_of_a_steps_outcome_is_the_stores_while_a_signal_may_come() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let signal = stent_core::SignalName::new("go").unwrap();
    let wait = Operation::Signal {
        name: signal,
        timeout: None,
    };
    begin(&mut replay, Asked::Wait(wait));
    let position = begin(&mut replay, step("a"));
    assert!(replay.start_step(position, Waker::noop()));
    replay.finish(position, value(1));
    assert!(!replay.deliver_next());
    let writes = replay.take_writes(|_| None).writes;
    assert!(matches!(
        writes[1],
        HistoryWrite::Record {
            place: Place::Next,
            ..
        }
    ));
    replay.committed();
    assert!(replay.record(position, Ordinal(1), None));
    assert!(replay.deliver_next());
}

#[test]
fn an_outcome_in_the_place_of_another_shows_that_the_store_has_lost_that() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let [one, two] = ["a", "b"].map(|function| begin(&mut replay, child(function)));
    assert!(replay.record(one, Ordinal(1), Some(value(1))));
    assert!(
        !replay.record(two, Ordinal(1), Some(value(2))),
        "not yet delivered"
    );
    assert!(replay.deliver_next());
    assert!(!replay.record(two, Ordinal(1), Some(value(2))), "delivered");
    // Told again, it is no news.
    assert!(replay.record(one, Ordinal(1), Some(value(1))));
    assert!(replay.record(two, Ordinal(2), Some(value(2))));
    assert!(replay.deliver_next());
}

#[test]
fn a_local_childs_outcome_is_given_before_its_commit_and_confirmed_by_it() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let position = begin(&mut replay, child("a"));
    replay.take_writes(|_| None);
    replay.committed();
    assert!(!replay.may_run_ahead());
    replay.child_is_local(position, true);
    assert!(replay.may_run_ahead());
    let fence = stent_core::Fence::default();
    assert_eq!(replay.assume(position, value(7), fence), Ordinal(1));
    assert!(replay.deliver_next());
    let assumes = replay.take_writes(|_| None).assumes;
    assert_eq!(
        assumes,
        [Assumed {
            position,
            ordinal: Ordinal(1),
            child: Some(fence),
        }]
    );
    assert!(replay.confirm(position, Ordinal(1)));
    assert!(replay.take_writes(|_| None).assumes.is_empty());
}

#[test]
fn an_outcome_that_was_recorded_elsewhere_than_assumed_is_noticed() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let position = begin(&mut replay, child("a"));
    replay.assume(position, value(7), stent_core::Fence::default());
    assert!(!replay.confirm(position, Ordinal(2)));
}

#[test]
fn a_sleep_fires_when_its_time_has_come_and_not_before() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let sleep = Asked::Wait(Operation::Sleep {
        span: Duration::from_secs(1),
    });
    let position = begin(&mut replay, sleep);
    let at = Timestamp::from_micros(5_000_000);
    assert_eq!(replay.waits().until, None, "the store has not said when");
    replay.wake_at(position, at);
    assert_eq!(replay.waits().until, Some(at));
    assert_eq!(replay.fire(Timestamp::from_micros(4_999_999)), Some(at));
    assert!(!replay.deliver_next());
    assert_eq!(replay.fire(at), None);
    assert!(replay.deliver_next());
    assert_eq!(
        replay.poll(position, Waker::noop()),
        Some(Outcome::Completed(Payload::null()))
    );
}

#[test]
fn waiting_ends_when_the_body_gives_up_on_a_signal() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let signal = stent_core::SignalName::new("go").unwrap();
    let position = begin(
        &mut replay,
        Asked::Wait(Operation::Signal {
            name: signal,
            timeout: None,
        }),
    );
    assert!(replay.waits().any && replay.waits().others);
    replay.abandon(position);
    assert!(!replay.waits().any);
    let writes = replay.take_writes(|_| None).writes;
    assert!(matches!(
        writes[1],
        HistoryWrite::Abandon {
            seen: Ordinal::NONE,
            ..
        }
    ));
}

#[test]
fn now_never_goes_back_and_random_values_come_again() {
    let mut replay = Replay::new(name("f"), Vec::new());
    let later = Timestamp::from_micros(10);
    assert_eq!(replay.no_earlier(later), later);
    assert_eq!(replay.no_earlier(Timestamp::from_micros(3)), later);
    let mut recorded = entry(1, "a", None);
    recorded.head.operation = Operation::Random;
    recorded.head.resolved = Some(stent_core::history::Resolved {
        completed: true,
        ordinal: None,
    });
    recorded.outcome = Some(value(42));
    let mut again = Replay::new(name("f"), vec![recorded]);
    assert_eq!(
        again.value(Operation::Random, |_| Payload::null()).as_str(),
        "42"
    );
    assert!(!again.has_urgent_writes() && again.take_writes(|_| None).writes.is_empty());
}
