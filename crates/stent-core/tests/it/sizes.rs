//! How large a commit may become.

use stent_core::{
    CallPosition, ClaimMark, Epoch, Failure, FailureKind, Fence, FencingToken, FunctionName,
    NewTask, Operation, Ordinal, Outcome, Payload, Priority, QueueName, SignalName, StepName,
    TaskId, Timestamp, When,
    commit::{ChildRequest, HistoryWrite, Place, TaskCommit, Then, takes_more},
    defaults,
};

fn text(bytes: usize) -> Payload {
    Payload::from_stored("1".repeat(bytes))
}

fn id() -> TaskId {
    TaskId::from_parts(Timestamp::MIN, &[1; 10])
}

fn begin(operation: Operation, child: Option<ChildRequest>) -> HistoryWrite {
    HistoryWrite::Begin {
        position: CallPosition(1),
        key: None,
        operation,
        after: Ordinal::NONE,
        child,
    }
}

fn call(bytes: usize) -> HistoryWrite {
    let function = FunctionName::new("child").unwrap();
    let task = NewTask {
        id: id(),
        function: function.clone(),
        queue: QueueName::default(),
        priority: Priority(0),
        due: When::Now,
        input: text(bytes),
        timeout: None,
        deadline: None,
    };
    let operation = Operation::Child {
        function,
        input: task.input.digest(),
    };
    begin(operation, Some(ChildRequest { task, start: None }))
}

fn record(outcome: Outcome) -> HistoryWrite {
    HistoryWrite::Record {
        position: CallPosition(2),
        key: None,
        operation: Operation::Step {
            name: StepName::new("s").unwrap(),
        },
        after: Ordinal::NONE,
        outcome,
        place: Place::Next,
    }
}

fn resolve(outcome: Outcome) -> HistoryWrite {
    HistoryWrite::Resolve {
        position: CallPosition(3),
        outcome,
        place: Place::Next,
    }
}

fn wait() -> HistoryWrite {
    let name = SignalName::new("x").unwrap();
    begin(
        Operation::Signal {
            name,
            timeout: None,
        },
        None,
    )
}

fn abandon() -> HistoryWrite {
    HistoryWrite::Abandon {
        position: CallPosition(4),
        seen: Ordinal::NONE,
    }
}

fn commit(writes: Vec<HistoryWrite>, then: Then) -> TaskCommit {
    TaskCommit {
        task: id(),
        fence: Fence {
            token: FencingToken(1),
            mark: ClaimMark(1),
        },
        number: 1,
        epoch: Epoch::default(),
        assumes: Vec::new(),
        writes,
        then,
    }
}

#[test]
fn a_commit_is_as_large_as_the_payloads_in_it() {
    let failed = || Outcome::Failed(Failure::new(FailureKind::Error, "why"));
    let writes = [
        (call(3), 3),
        (record(Outcome::Completed(text(5))), 5),
        (record(failed()), 0),
        (resolve(Outcome::Completed(text(7))), 7),
        (wait(), 0),
        (abandon(), 0),
    ];
    for (write, bytes) in &writes {
        assert_eq!(write.payload_bytes(), *bytes, "{write:?}");
    }
    let writes: Vec<_> = writes.into_iter().map(|(write, _)| write).collect();
    let ends = Then::End(Outcome::Completed(text(11)));
    assert_eq!(commit(writes.clone(), ends).payload_bytes(), 26);
    let others = [
        Then::Continue,
        Then::Release,
        Then::End(failed()),
        Then::End(Outcome::Cancelled),
    ];
    for then in others {
        assert_eq!(commit(writes.clone(), then).payload_bytes(), 15);
    }
}

#[test]
fn a_commit_takes_more_until_it_is_long_or_large() {
    let (long, large) = (defaults::BATCH_MAX, defaults::COMMIT_BATCH_BYTES);
    assert!(takes_more(0, 0));
    assert!(takes_more(long - 1, large - 1));
    assert!(!takes_more(long, 0));
    assert!(!takes_more(0, large));
}

#[test]
fn only_a_commit_that_gives_back_and_nothing_else_needs_no_past() {
    assert!(commit(Vec::new(), Then::Release).only_releases());
    assert!(!commit(vec![wait()], Then::Release).only_releases());
    assert!(!commit(Vec::new(), Then::Continue).only_releases());
    assert!(!commit(Vec::new(), Then::End(Outcome::Cancelled)).only_releases());
    let mut assumes = commit(Vec::new(), Then::Release);
    assumes.assumes.push(stent_core::commit::Assumed {
        position: CallPosition(1),
        ordinal: Ordinal(1),
        child: None,
    });
    assert!(!assumes.only_releases());
}
