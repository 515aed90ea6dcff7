//! Requests made of what an operation says.

use std::num::NonZeroU32;

use stent_core::{
    CallPosition, FunctionName, NewExecution, NewTask, Operation as Durable, Ordinal, Outcome,
    Payload, Priority, Tag, TaskId, Timestamp, When, commit,
    commit::HistoryWrite,
    limit::{Limit, WhileWaiting},
    retry::RetryPolicy,
};

use super::operations::{DeclaredLimit, Dispatch, Place, Seen, Then, Which};
use crate::writes::{failure, function, key, payload, queue, seconds};

pub(super) fn function_of(which: u8) -> FunctionName {
    function(["f", "g", "h"].get(usize::from(which)).unwrap_or(&"f"))
}

pub(super) fn queue_of(which: u8) -> stent_core::QueueName {
    queue(if which == 0 { "default" } else { "other" })
}

pub(super) const fn signal_of(which: u8) -> &'static str {
    if which == 0 { "x" } else { "y" }
}

pub(super) const fn earlier(which: Which) -> CallPosition {
    CallPosition(which as u32)
}

pub(super) fn due(delay: u64) -> When {
    match delay {
        0 => When::Now,
        span => When::After(seconds(span)),
    }
}

pub(super) fn new_execution(id: TaskId, one: &Dispatch) -> NewExecution {
    let tags = one
        .tags
        .iter()
        .filter_map(|tag| Tag::new(format!("t{tag}")).ok());
    NewExecution {
        root: NewTask {
            id,
            function: function_of(one.function),
            queue: queue_of(one.queue),
            priority: Priority(one.priority.into()),
            due: due(one.delay),
            input: payload(&format!("[{}]", one.input)),
            timeout: one.timeout.map(seconds),
            deadline: one.deadline.map(|span| When::After(seconds(span))),
        },
        idempotency_key: one.key.and_then(|name| key(&format!("k{name}"))),
        tags: tags.collect(),
    }
}

pub(super) fn declared(limit: &DeclaredLimit) -> Option<Limit> {
    let while_waiting = if limit.release {
        WhileWaiting::Release
    } else {
        WhileWaiting::Hold
    };
    NonZeroU32::new(limit.max_concurrent.into()).map(|max_concurrent| Limit {
        max_concurrent,
        while_waiting,
    })
}

pub(super) fn outcome(completed: bool) -> Outcome {
    if completed {
        Outcome::Completed(payload("1"))
    } else {
        Outcome::Failed(failure("it broke"))
    }
}

pub(super) const fn new_place(place: Place, deliveries: Ordinal) -> commit::Place {
    match place {
        Place::Next => commit::Place::Next,
        Place::Expected => commit::Place::Exactly(deliveries.next()),
        Place::Wrong => commit::Place::Exactly(deliveries.next().next().next()),
    }
}

/// An operation that is answered on the spot: it has no place among the outcomes.
pub(super) fn on_the_spot(
    position: CallPosition,
    operation: Durable,
    after: Ordinal,
) -> HistoryWrite {
    HistoryWrite::Record {
        position,
        key: None,
        operation,
        after,
        outcome: Outcome::Completed(Payload::null()),
        place: commit::Place::None,
    }
}

pub(super) fn new_then(
    then: Then,
    deliveries: Ordinal,
    now: Timestamp,
) -> Result<commit::Then, String> {
    Ok(match then {
        Then::Continue => commit::Then::Continue,
        Then::Suspend { seen, timeout } => commit::Then::Suspend {
            seen: match seen {
                Seen::All => deliveries,
                Seen::Nothing => Ordinal::NONE,
            },
            attempt_ends: timeout.map(|span| now.saturating_add(seconds(span))),
        },
        Then::Release => commit::Then::Release,
        Then::Fail { max_attempts, kind } => commit::Then::Fail {
            failure: failure_of(kind),
            policy: RetryPolicy::stated()
                .max_attempts(max_attempts)
                .map_err(|error| error.to_string())?,
            random: 1 << 31,
        },
        Then::Complete => commit::Then::End(outcome(true)),
        Then::EndFailed => commit::Then::End(outcome(false)),
        Then::EndTimedOut => commit::Then::End(Outcome::TimedOut(failure_of(1))),
        Then::EndCancelled => commit::Then::End(Outcome::Cancelled),
    })
}

pub(super) fn failure_of(kind: u8) -> stent_core::Failure {
    use stent_core::FailureKind;
    let kind = match kind {
        0 => FailureKind::Error,
        1 => FailureKind::Timeout,
        2 => FailureKind::Fatal,
        _ => FailureKind::Deadline,
    };
    stent_core::Failure::new(kind, "it broke")
}
