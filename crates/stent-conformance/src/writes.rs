//! Small parts of which cases are built: names, tasks, history writes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use stent_core::{
    CallPosition, ClaimMark, Failure, FailureKind, FunctionName, IdempotencyKey, NewExecution,
    NewTask, Operation, Ordinal, Outcome, Payload, Priority, QueueName, SignalId, SignalName,
    StepName, TaskId, Timestamp, When,
    commit::{ChildRequest, HistoryWrite, Place, Then},
    defaults,
    limit::{Limit, WhileWaiting},
    retry::RetryPolicy,
};

use crate::ManualClock;

/// Counts up for everything that must differ from everything else.
static UNIQUE: AtomicU64 = AtomicU64::new(1);

pub(crate) fn unique() -> u64 {
    UNIQUE.fetch_add(1, Ordering::Relaxed)
}

/// Ten bytes that differ from all others, and grow.
fn unique_bytes() -> [u8; 10] {
    numbered_bytes(unique())
}

/// Ten bytes that grow with a number.
pub(crate) fn numbered_bytes(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    for (byte, digit) in bytes.iter_mut().skip(2).zip(number.to_be_bytes()) {
        *byte = digit;
    }
    bytes
}

pub(crate) fn new_id() -> TaskId {
    TaskId::from_parts(ManualClock::START, &unique_bytes())
}

pub(crate) fn new_signal_id() -> SignalId {
    SignalId::from_parts(ManualClock::START, &unique_bytes())
}

pub(crate) fn new_mark() -> ClaimMark {
    ClaimMark(i64::try_from(unique()).expect("fewer marks than numbers"))
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn function(name: &str) -> FunctionName {
    FunctionName::new(name).expect("a name of the suite")
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a name of the suite")
}

pub(crate) fn key(name: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(name).expect("a name of the suite"))
}

pub(crate) fn signal_name(name: &str) -> SignalName {
    SignalName::new(name).expect("a name of the suite")
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload::parse(text, defaults::PAYLOAD_MAX_BYTES).expect("JSON of the suite")
}

/// A task of a function in the default queue, due at once.
pub(crate) fn task(name: &str) -> NewTask {
    NewTask {
        id: new_id(),
        function: function(name),
        queue: QueueName::default(),
        priority: Priority(0),
        due: When::Now,
        input: payload("[1]"),
        timeout: None,
        deadline: None,
    }
}

pub(crate) fn execution(root: NewTask) -> NewExecution {
    NewExecution {
        root,
        idempotency_key: None,
        tags: Vec::new(),
    }
}

pub(crate) fn at_most(max_concurrent: i64) -> Option<Limit> {
    Some(Limit::new(max_concurrent).expect("a limit of the suite"))
}

/// A limit whose slots are given up while waiting.
pub(crate) fn releasing(max_concurrent: i64) -> Option<Limit> {
    at_most(max_concurrent).map(|limit| Limit {
        while_waiting: WhileWaiting::Release,
        ..limit
    })
}

pub(crate) fn value(text: &str) -> Outcome {
    Outcome::Completed(payload(text))
}

pub(crate) fn failure(message: &str) -> Failure {
    Failure::new(FailureKind::Error, message)
}

/// An end with a value.
pub(crate) fn done() -> Then {
    Then::End(value("true"))
}

/// An end with an error, whatever the policy.
pub(crate) fn failed() -> Then {
    Then::End(Outcome::Failed(failure("it broke")))
}

/// A failed attempt under a policy of so many, the first delay being a second, without jitter.
pub(crate) fn attempt_failed(max_attempts: u32) -> Then {
    let policy = RetryPolicy::stated().max_attempts(max_attempts);
    let policy = policy.and_then(|policy| policy.jitter(0.0));
    Then::Fail {
        failure: failure("it broke"),
        policy: policy.expect("a policy of the suite"),
        random: 0,
    }
}

/// A body that waits, having seen outcomes up to an ordinal.
pub(crate) fn waits(seen: u32) -> Then {
    Then::Suspend {
        seen: Ordinal(seen),
        attempt_ends: None,
    }
}

/// A body that waits, whose attempt must have ended at an instant.
pub(crate) const fn waits_until(seen: u32, attempt_ends: Timestamp) -> Then {
    Then::Suspend {
        seen: Ordinal(seen),
        attempt_ends: Some(attempt_ends),
    }
}

/// A call of another function.
pub(crate) fn call(position: u32, child: NewTask) -> HistoryWrite {
    let operation = Operation::Child {
        function: child.function.clone(),
        input: child.input.digest(),
    };
    let child = ChildRequest {
        task: child,
        start: None,
    };
    begin(position, operation, Some(child))
}

pub(crate) fn sleep(position: u32, span: Duration) -> HistoryWrite {
    begin(position, Operation::Sleep { span }, None)
}

pub(crate) fn sleep_until(position: u32, at: Timestamp) -> HistoryWrite {
    begin(position, Operation::SleepUntil { at }, None)
}

pub(crate) fn wait_for(position: u32, name: &str, timeout: Option<Duration>) -> HistoryWrite {
    let name = signal_name(name);
    begin(position, Operation::Signal { name, timeout }, None)
}

pub(crate) fn begin(
    position: u32,
    operation: Operation,
    child: Option<ChildRequest>,
) -> HistoryWrite {
    HistoryWrite::Begin {
        position: CallPosition(position),
        key: None,
        operation,
        after: Ordinal::NONE,
        child,
    }
}

/// A step with its outcome, which takes the next place.
pub(crate) fn step(position: u32, name: &str, outcome: Outcome) -> HistoryWrite {
    step_at(position, name, outcome, Place::Next)
}

pub(crate) fn step_at(position: u32, name: &str, outcome: Outcome, place: Place) -> HistoryWrite {
    HistoryWrite::Record {
        position: CallPosition(position),
        key: None,
        operation: Operation::Step {
            name: StepName::new(name).expect("a name of the suite"),
        },
        after: Ordinal::NONE,
        outcome,
        place,
    }
}

/// A random value, answered on the spot.
pub(crate) fn random(position: u32, drawn: &str) -> HistoryWrite {
    HistoryWrite::Record {
        position: CallPosition(position),
        key: None,
        operation: Operation::Random,
        after: Ordinal::NONE,
        outcome: value(drawn),
        place: Place::None,
    }
}

/// The end of a wait by time.
pub(crate) fn fired(position: u32) -> HistoryWrite {
    HistoryWrite::Resolve {
        position: CallPosition(position),
        outcome: Outcome::Completed(Payload::null()),
        place: Place::Next,
    }
}

pub(crate) fn abandon(position: u32, seen: u32) -> HistoryWrite {
    HistoryWrite::Abandon {
        position: CallPosition(position),
        seen: Ordinal(seen),
    }
}

/// The same write, asked for when an outcome had been delivered.
pub(crate) fn asked_after(ordinal: u32, write: HistoryWrite) -> HistoryWrite {
    let mut write = write;
    if let HistoryWrite::Begin { after, .. } | HistoryWrite::Record { after, .. } = &mut write {
        *after = Ordinal(ordinal);
    }
    write
}
