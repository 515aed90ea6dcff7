//! What operations are: which are the same, which count as calls, and when they end by time.

use std::time::Duration;

use stent_core::{FunctionName, Operation, SignalName, StepName, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(after: u64) -> Timestamp {
    NOW.saturating_add(seconds(after))
}

fn child(function: &str, input: i64) -> Operation {
    Operation::Child {
        function: FunctionName::new(function).unwrap(),
        input,
    }
}

fn step(name: &str) -> Operation {
    Operation::Step {
        name: StepName::new(name).unwrap(),
    }
}

fn signal(name: &str, timeout: Option<u64>) -> Operation {
    Operation::Signal {
        name: SignalName::new(name).unwrap(),
        timeout: timeout.map(seconds),
    }
}

fn sleep(span: u64) -> Operation {
    Operation::Sleep {
        span: seconds(span),
    }
}

fn until(after: u64) -> Operation {
    Operation::SleepUntil { at: at(after) }
}

/// One of each that differs from all others.
fn different() -> Vec<Operation> {
    vec![
        child("f", 1),
        child("f", 2),
        child("g", 1),
        step("a"),
        step("b"),
        sleep(1),
        until(1),
        signal("x", None),
        signal("y", None),
        Operation::Now,
        Operation::Random,
    ]
}

#[test]
fn an_operation_is_the_same_by_what_it_asks_for() {
    let all = different();
    for (number, one) in all.iter().enumerate() {
        for (other_number, other) in all.iter().enumerate() {
            assert_eq!(one.is_same(other), number == other_number, "{one} {other}");
        }
    }
    assert!(sleep(1).is_same(&sleep(2)), "its span is no part of it");
    assert!(until(1).is_same(&until(2)));
    assert!(signal("x", None).is_same(&signal("x", Some(1))));
}

#[test]
fn an_operation_says_what_it_is() {
    let says: Vec<String> = different().iter().map(ToString::to_string).collect();
    let expected = [
        "call of `f` (input 0000000000000001)",
        "call of `f` (input 0000000000000002)",
        "call of `g` (input 0000000000000001)",
        "step `a`",
        "step `b`",
        "sleep",
        "sleep until an instant",
        "wait for signal `x`",
        "wait for signal `y`",
        "now",
        "random value",
    ];
    assert_eq!(says, expected);
}

#[test]
fn all_but_the_time_and_random_values_are_calls() {
    for operation in different() {
        let is_on_the_spot = matches!(operation, Operation::Now | Operation::Random);
        assert_eq!(operation.is_call(), !is_on_the_spot, "{operation}");
    }
}

#[test]
fn sleeps_and_waits_with_a_timeout_end_by_time() {
    for operation in different() {
        let ends = match &operation {
            Operation::Sleep { .. } | Operation::SleepUntil { .. } => Some(at(1)),
            _ => None,
        };
        assert_eq!(operation.wake_at(NOW), ends, "{operation}");
    }
    assert_eq!(signal("x", Some(3)).wake_at(NOW), Some(at(3)));
}
