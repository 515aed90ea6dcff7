//! What is recorded of operations, and what a resumed task sees of it.

use stent_core::{
    CallKey, CallPosition, EntryHead, HistoryEntry, Operation, Ordinal, Outcome, Payload,
    SignalName, StepName,
    commit::{HistoryWrite, Place, Then},
    history::Resolved,
    store::{HistoryRequest, TaskHistory},
};

use crate::{
    world::{World, answered},
    writes::{
        abandon, asked_after, call, failure, new_id, payload, seconds, sleep, step, step_at, task,
        value, wait_for, waits,
    },
};

pub(crate) async fn every_operation_comes_back_as_it_was_written(world: World) {
    let mut claimed = world.start(task("f")).await;
    let name = |name: &str| StepName::new(name).expect("a name");
    let operations = [
        Operation::Step {
            name: name("ä step"),
        },
        Operation::Sleep { span: seconds(3) },
        Operation::SleepUntil { at: world.after(9) },
        Operation::Signal {
            name: SignalName::new("x").expect("a name"),
            timeout: None,
        },
        Operation::Signal {
            name: SignalName::new("y").expect("a name"),
            timeout: Some(seconds(8)),
        },
        Operation::Now,
        Operation::Random,
    ];
    let key = CallKey::new("branch/1").ok();
    let writes = (1..).zip(&operations).map(|(position, operation)| {
        let (position, key) = (CallPosition(position), key.clone());
        let (operation, after) = (operation.clone(), Ordinal(0));
        match operation {
            Operation::Step { .. } | Operation::Now | Operation::Random => HistoryWrite::Record {
                position,
                key,
                operation,
                after,
                outcome: value("[1, 2.50]"),
                place: Place::None,
            },
            operation => HistoryWrite::Begin {
                position,
                key,
                operation,
                after,
                child: None,
            },
        }
    });
    world
        .write(&mut claimed, writes.collect(), Then::Continue)
        .await;
    let history = world.history(claimed.id()).await;
    assert_eq!(history.len(), operations.len());
    for (entry, operation) in history.iter().zip(&operations) {
        assert_eq!(&entry.head.operation, operation);
        assert_eq!(entry.head.key, key);
        assert_eq!(entry.head.wake_at, operation.wake_at(world.now()));
    }
}

pub(crate) async fn an_outcome_on_the_spot_has_no_place(world: World) {
    let mut claimed = world.start(task("f")).await;
    let write = HistoryWrite::Record {
        position: CallPosition(1),
        key: None,
        operation: Operation::Now,
        after: Ordinal::NONE,
        outcome: value("1800000000000000"),
        place: Place::None,
    };
    let applied = world.write(&mut claimed, vec![write], Then::Continue).await;
    assert_eq!(
        (applied.deliveries, applied.recorded),
        (Ordinal::NONE, vec![])
    );
    let expected = HistoryEntry {
        head: EntryHead {
            position: CallPosition(1),
            key: None,
            operation: Operation::Now,
            after: Ordinal::NONE,
            child: None,
            wake_at: None,
            abandoned: false,
            signal: None,
            resolved: Some(Resolved {
                completed: true,
                ordinal: None,
            }),
        },
        outcome: Some(value("1800000000000000")),
    };
    assert_eq!(world.history(claimed.id()).await, [expected]);
}

pub(crate) async fn outcomes_have_the_order_in_which_they_were_recorded(world: World) {
    let mut parent = world.start(task("f")).await;
    let calls = vec![call(1, task("a")), call(2, task("b")), call(3, task("c"))];
    world.write(&mut parent, calls, Then::Continue).await;
    for name in ["c", "a", "b"] {
        let mut child = world.claim_one(name).await;
        world.complete(&mut child).await;
    }
    let history = world.history(parent.id()).await;
    let places = history
        .iter()
        .map(|entry| entry.head.resolved.and_then(|it| it.ordinal));
    assert!(places.eq([Some(Ordinal(2)), Some(Ordinal(3)), Some(Ordinal(1))]));
}

pub(crate) async fn a_place_that_is_taken_is_refused_and_the_next_is_given(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    world.complete(&mut child).await;
    let exactly = step_at(2, "s", value("1"), Place::Exactly(Ordinal(1)));
    let mut ahead = parent.clone();
    assert_eq!(
        world
            .refused(&mut ahead, vec![exactly], Then::Continue)
            .await,
        stent_core::commit::CommitRefused::Stale
    );
    let applied = world
        .write(&mut parent, vec![step(2, "s", value("1"))], Then::Continue)
        .await;
    assert_eq!(applied.recorded, [(CallPosition(2), Ordinal(2))]);
}

pub(crate) async fn what_was_delivered_since_is_read_in_its_order(world: World) {
    let mut parent = world.start(task("f")).await;
    let calls = vec![call(1, task("a")), call(2, task("b")), sleep(3, seconds(9))];
    world.write(&mut parent, calls, Then::Continue).await;
    for name in ["b", "a"] {
        let mut child = world.claim_one(name).await;
        world.complete(&mut child).await;
    }
    let read = |after, whole| HistoryRequest {
        task: parent.id(),
        after: Ordinal(after),
        whole,
    };
    let requests = vec![
        read(0, false),
        read(1, false),
        read(2, false),
        read(2, true),
    ];
    let answers = answered("read", world.store.history(requests).await);
    let positions = answers.iter().map(|history| {
        let entries = history.entries.iter();
        entries
            .map(|entry| entry.head.position.0)
            .collect::<Vec<_>>()
    });
    assert!(positions.eq([vec![2, 1], vec![1], vec![], vec![1, 2, 3]]));
    assert_eq!(answers[0].entries[0].outcome, Some(value("true")));
}

pub(crate) async fn a_history_of_nobody_is_empty(world: World) {
    let nobody = new_id();
    let request = HistoryRequest {
        task: nobody,
        after: Ordinal::NONE,
        whole: true,
    };
    let answer = answered("read", world.store.history(vec![request]).await);
    assert_eq!(
        answer,
        [TaskHistory {
            task: nobody,
            entries: Vec::new()
        }]
    );
}

pub(crate) async fn failed_outcomes_are_kept_with_their_sources(world: World) {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot charge `ä\n\u{1b}[31m`")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = Outer("x".parse::<u8>().expect_err("no number"));
    let failure = stent_core::Failure::from_error(stent_core::FailureKind::Fatal, &error);
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let outcome = Outcome::Failed(failure);
    world
        .write(&mut child, Vec::new(), Then::End(outcome.clone()))
        .await;
    assert_eq!(
        world.entry(parent.id(), 1).await.outcome,
        Some(outcome.clone())
    );
    assert_eq!(world.task(child.id()).await.outcome, Some(outcome.clone()));
    world
        .write(
            &mut parent,
            vec![step(2, "s", outcome.clone())],
            Then::Release,
        )
        .await;
    assert_eq!(world.claim_one("f").await.history[1].outcome, Some(outcome));
}

pub(crate) async fn what_was_asked_for_after_an_outcome_says_so(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![
        step(1, "s", value("1")),
        asked_after(1, sleep(2, seconds(5))),
        asked_after(1, wait_for(3, "x", None)),
    ];
    world.write(&mut claimed, writes, Then::Continue).await;
    let history = world.history(claimed.id()).await;
    let after = history.iter().map(|entry| entry.head.after.0);
    assert!(after.eq([0, 1, 1]));
}

pub(crate) async fn an_abandoned_operation_wakes_nobody_by_time(world: World) {
    let mut claimed = world.start(task("f")).await;
    let writes = vec![sleep(1, seconds(5)), wait_for(2, "x", None)];
    world.write(&mut claimed, writes, Then::Continue).await;
    world
        .write(&mut claimed, vec![abandon(1, 0)], waits(0))
        .await;
    assert!(world.entry(claimed.id(), 1).await.head.abandoned);
    world.advance(100);
    assert!(world.claim(&["f"], 1).await.is_empty());
}

pub(crate) async fn payloads_of_every_kind_of_json_come_back_as_texts(world: World) {
    let texts = [
        "null",
        "0",
        "false",
        "\"\"",
        "[]",
        "{}",
        "-0",
        "1.0",
        "1e5",
        "18446744073709551615",
        "123456789012345678901234567890",
        r#"{"b":1,"a":2,"b":3}"#,
        r#""\u0000 \ud83e\udd80""#,
        "\"🦀 ' \\\" ; -- % _ </script>\"",
    ];
    let mut claimed = world.start(task("f")).await;
    let writes = (1..)
        .zip(texts)
        .map(|(position, text)| step(position, "s", value(text)));
    world
        .write(&mut claimed, writes.collect(), Then::Release)
        .await;
    let history = world.claim_one("f").await.history;
    let kept = history.iter().map(|entry| match &entry.outcome {
        Some(Outcome::Completed(payload)) => payload.as_str().to_owned(),
        other => panic!("a value became {other:?}"),
    });
    assert!(kept.eq(texts));
}

pub(crate) async fn a_child_that_ended_before_its_parent_did_is_kept(world: World) {
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let large = payload(&format!("\"{}\"", "x".repeat(100_000)));
    let outcome = Outcome::Completed(large);
    world
        .write(&mut child, Vec::new(), Then::End(outcome.clone()))
        .await;
    world
        .write(
            &mut parent,
            Vec::new(),
            Then::End(Outcome::Completed(Payload::null())),
        )
        .await;
    assert_eq!(world.entry(parent.id(), 1).await.outcome, Some(outcome));
}

pub(crate) async fn two_calls_of_one_function_get_each_its_own_outcome(world: World) {
    let mut parent = world.start(task("f")).await;
    let calls = vec![call(1, task("twin")), call(2, task("twin"))];
    world.write(&mut parent, calls, Then::Continue).await;
    let mut twins = world.claim(&["twin"], 2).await;
    twins.reverse();
    for twin in &mut twins {
        let position = twin.task.parent.expect("a child").position;
        let says = value(&position.to_string());
        world.write(twin, Vec::new(), Then::End(says)).await;
    }
    assert_eq!(world.entry(parent.id(), 1).await.outcome, Some(value("1")));
    assert_eq!(world.entry(parent.id(), 2).await.outcome, Some(value("2")));
}

pub(crate) async fn a_step_that_failed_is_recorded_as_failed(world: World) {
    let mut claimed = world.start(task("f")).await;
    let outcome = Outcome::Failed(failure("no rate today"));
    world
        .write(
            &mut claimed,
            vec![step(1, "rate", outcome.clone())],
            Then::Release,
        )
        .await;
    let entry = world.claim_one("f").await.history.remove(0);
    assert_eq!(entry.outcome, Some(outcome));
    assert_eq!(entry.head.resolved.map(|it| it.completed), Some(false));
}
