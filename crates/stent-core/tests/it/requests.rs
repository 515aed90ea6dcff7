//! What a request may hold, and what a store's failure means.

use stent_core::{
    CallPosition, ClaimMark, ExecutionId, Fence, FencingToken, FunctionName, NewExecution, NewTask,
    Ordinal, Payload, Priority, QueueName, SignalId, SignalName, StateKind, StoreError, Tag,
    TaskId, Timestamp, When, WorkerName, defaults,
    lease::LeaseDuration,
    signal::NewSignal,
    store::{
        Checked, CommitRequest, Counts, DeclareRequest, DispatchRequest, ExecutionQuery,
        FunctionDeclaration, HistoryRequest, QueueRecord, RenewRequest, RequestError,
        SignalRequest, TaskQuery, WorkerReport,
    },
};

fn id() -> TaskId {
    TaskId::from_parts(Timestamp::MIN, &[1; 10])
}

fn execution(tags: usize) -> NewExecution {
    NewExecution {
        root: NewTask {
            id: id(),
            function: FunctionName::new("f").unwrap(),
            queue: QueueName::default(),
            priority: Priority(0),
            due: When::Now,
            input: Payload::null(),
            timeout: None,
            deadline: None,
        },
        idempotency_key: None,
        tags: vec![Tag::new("t").unwrap(); tags],
    }
}

fn worker() -> WorkerReport {
    WorkerReport {
        name: WorkerName::new("w").unwrap(),
        capacity: 1,
        leased: 0,
        draining: false,
    }
}

/// Each kind of request, with so many of what it names.
fn requests(count: usize) -> Vec<(&'static str, Result<(), RequestError>)> {
    let fence = Fence {
        token: FencingToken(1),
        mark: ClaimMark(1),
    };
    let signal = NewSignal {
        id: SignalId::from_parts(Timestamp::MIN, &[1; 10]),
        execution: id().as_root(),
        name: SignalName::new("x").unwrap(),
        payload: Payload::null(),
    };
    let function = FunctionDeclaration {
        name: FunctionName::new("f").unwrap(),
        limit: None,
    };
    let history = HistoryRequest {
        task: id(),
        after: Ordinal::NONE,
        whole: true,
    };
    let dispatch = DispatchRequest {
        executions: vec![execution(0); count],
    };
    let declare = DeclareRequest {
        worker: worker(),
        functions: vec![function; count],
    };
    let renew = RenewRequest {
        worker: worker(),
        duration: LeaseDuration::default(),
        leases: vec![(id(), fence); count],
    };
    let signals = SignalRequest {
        signals: vec![signal; count],
    };
    let executions: Vec<ExecutionId> = vec![id().as_root(); count];
    let listed = ExecutionQuery {
        ids: Some(executions.clone()),
        ..ExecutionQuery::default()
    };
    let tasks = TaskQuery {
        ids: Some(vec![id(); count]),
        ..TaskQuery::default()
    };
    vec![
        ("dispatch", dispatch.check()),
        ("declare", declare.check()),
        ("renew", renew.check()),
        ("signal", signals.check()),
        ("cancel", executions.check()),
        ("history", vec![history; count].check()),
        ("executions", listed.check()),
        ("tasks", tasks.check()),
    ]
}

#[test]
fn a_request_names_as_many_as_fit_a_batch_and_no_more() {
    let most = defaults::BATCH_MAX;
    for (request, checked) in requests(most) {
        assert_eq!(checked, Ok(()), "{request}");
    }
    for (request, checked) in requests(most + 1) {
        assert!(
            matches!(checked, Err(RequestError::TooMany { given, .. }) if given == most + 1),
            "{request}: {checked:?}"
        );
    }
    assert_eq!(CommitRequest::default().check(), Ok(()));
}

#[test]
fn an_execution_has_as_many_tags_as_are_allowed_and_no_more() {
    let with = |tags| {
        let executions = vec![execution(0), execution(tags)];
        DispatchRequest { executions }.check()
    };
    let most = defaults::TAGS_MAX;
    assert_eq!(with(most), Ok(()));
    let refused = with(most + 1);
    assert!(matches!(refused, Err(RequestError::TooManyTags { given, .. }) if given == most + 1));
}

#[test]
fn a_failure_says_whether_to_ask_again_and_whether_it_may_have_happened() {
    let what = || "cannot".to_owned();
    let (retryable, unknown) = (
        StoreError::Retryable {
            what: what(),
            source: None,
        },
        StoreError::OutcomeUnknown {
            what: what(),
            source: None,
        },
    );
    let (refused, fatal) = (
        StoreError::Refused { what: what() },
        StoreError::Final {
            what: what(),
            source: None,
        },
    );
    let all = [&retryable, &unknown, &refused, &fatal];
    let again = all.map(|error| error.is_retryable());
    assert_eq!(again, [true, true, false, false]);
    let may_have_happened = all.map(|error| error.is_outcome_unknown());
    assert_eq!(may_have_happened, [false, true, false, false]);
}

#[test]
fn what_was_counted_apart_is_counted_together() {
    let count = |states: &[StateKind]| {
        let mut counts = Counts::default();
        states.iter().for_each(|state| counts.add(*state));
        counts
    };
    use StateKind::{Completed, Pending, Running, Suspended};
    let mut all = count(&[Pending, Running, Completed]);
    all.add_all(&count(&[Pending, Suspended, Suspended]));
    let together = [Pending, Running, Pending, Suspended, Suspended];
    assert_eq!(all, count(&together));
}

#[test]
fn a_queue_is_behind_by_what_is_due_longest() {
    let at = Timestamp::from_micros;
    let mut queue = QueueRecord::new(QueueName::default());
    queue.add_due(None, at(10));
    queue.add_due(Some(at(11)), at(10));
    assert_eq!(queue.oldest_due, None, "nothing is due yet");
    for (due, oldest) in [(10, 10), (5, 5), (7, 5)] {
        queue.add_due(Some(at(due)), at(10));
        assert_eq!(queue.oldest_due, Some(at(oldest)));
    }
}

#[test]
fn a_calls_uuid_is_its_own() {
    let (first, second) = (CallPosition(1), CallPosition(2));
    let other = TaskId::from_parts(Timestamp::MIN, &[2; 10]);
    let all = [first.uuid(id()), second.uuid(id()), first.uuid(other)];
    assert_eq!(all[0], first.uuid(id()));
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert!(all.iter().all(|uuid| uuid.get_version_num() == 5));
}
