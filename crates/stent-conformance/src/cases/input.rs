//! Hostile and strange input: kept as it was, or refused before anything happens.

use stent_core::{
    CallKey, FunctionName, IdempotencyKey, NewTask, Outcome, Payload, QueueName, SignalName,
    StepName, Tag, WorkerName,
    commit::{HistoryWrite, Then},
    defaults,
    store::ExecutionQuery,
};

use crate::{
    world::{World, answered, claim_request},
    writes::{execution, failure, new_signal_id, payload, step, task, value},
};

/// Names that some store, shell, page or terminal would misread.
const STRANGE: [&str; 12] = [
    "'; drop table tasks; --",
    "\"quoted\" 'twice' `thrice`",
    "100%_of\\them",
    "$1 ?1 :name @p {} %s",
    "<script>alert(1)</script>",
    "mïxed Ünïcode 漢字 🦀",
    "\u{202e}right to left",
    " leading and trailing ",
    "NULL",
    "true",
    "0",
    "a/b\\c:d.e,f;g|h",
];

pub(crate) async fn strange_names_are_kept_as_they_are(world: World) {
    for name in STRANGE {
        let root = NewTask {
            function: FunctionName::new(name).expect("a name"),
            queue: QueueName::new(name).expect("a name"),
            ..task("f")
        };
        let mut strange = execution(root);
        strange.idempotency_key = IdempotencyKey::new(name).ok();
        strange.tags = Tag::new(name).into_iter().collect();
        let id = world.dispatch_all(vec![strange]).await[0].execution();
        let query = ExecutionQuery {
            function: FunctionName::new(name).ok(),
            queue: QueueName::new(name).ok(),
            tag: Tag::new(name).ok(),
            idempotency_key: IdempotencyKey::new(name).ok(),
            ..ExecutionQuery::default()
        };
        let page = answered("list", world.store.executions(query).await);
        assert_eq!(page.executions.len(), 1, "{name}");
        assert_eq!(page.executions[0].root.task.execution, id);
        let mut request = claim_request(&[name], 5);
        request.queues = Some(QueueName::new(name).into_iter().collect());
        request.terms.holder = WorkerName::new(name).expect("a name");
        let claimed = world.claim_with(request).await.tasks;
        assert_eq!(claimed.len(), 1, "{name}");
        assert_eq!(claimed[0].task.function.as_str(), name);
        assert_eq!(world.task(id.root()).await.task, claimed[0].task);
    }
}

pub(crate) async fn names_that_differ_a_little_are_different_names(world: World) {
    let names = ["f", "F", "f ", " f", "ｆ", "f\u{301}", "fi", "ﬁ"];
    for name in names {
        world.dispatch(task(name)).await;
    }
    for name in names {
        let claimed = world.claim(&[name], 10).await;
        assert_eq!(claimed.len(), 1, "`{name}` names one function");
    }
}

pub(crate) async fn the_longest_names_are_kept(world: World) {
    let ascii = "n".repeat(defaults::NAME_MAX_BYTES);
    let wide = "é".repeat(defaults::NAME_MAX_BYTES / 2);
    for name in [ascii, wide] {
        let mut long = execution(task(&name));
        long.root.queue = QueueName::new(&name).expect("a name");
        long.idempotency_key = IdempotencyKey::new(&name).ok();
        long.tags = Tag::new(&name).into_iter().collect();
        world.dispatch_all(vec![long]).await;
        let mut claimed = world.claim_one(&name).await;
        let mut write = step(1, &name, value("1"));
        if let HistoryWrite::Record { key, .. } = &mut write {
            *key = CallKey::new(&name).ok();
        }
        world.write(&mut claimed, vec![write], Then::Continue).await;
        let entry = world.entry(claimed.id(), 1).await.head;
        assert_eq!(entry.key, CallKey::new(&name).ok());
        let operation = stent_core::Operation::Step {
            name: StepName::new(&name).expect("a name"),
        };
        assert_eq!(entry.operation, operation);
    }
}

pub(crate) async fn the_largest_payloads_are_kept(world: World) {
    let text = format!("\"{}\"", "x".repeat(defaults::PAYLOAD_MAX_BYTES - 2));
    let largest = payload(&text);
    let root = NewTask {
        input: largest.clone(),
        ..task("f")
    };
    let mut claimed = world.start(root).await;
    assert_eq!(claimed.input, largest);
    let writes = vec![step(1, "s", Outcome::Completed(largest.clone()))];
    let then = Then::End(Outcome::Completed(largest.clone()));
    world.write(&mut claimed, writes, then).await;
    let outcome = Some(Outcome::Completed(largest));
    assert_eq!(world.task(claimed.id()).await.outcome, outcome);
    assert_eq!(world.entry(claimed.id(), 1).await.outcome, outcome);
}

pub(crate) async fn json_is_kept_as_it_was_written(world: World) {
    let texts = [
        "  [ 1 , 2 ]  ",
        r#"{"b":1,"a":2,"b":3}"#,
        "1.0",
        "-0",
        "1e308",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
        r#""\u0000""#,
        r#""\u001b[31m""#,
        "\"\u{2028}\"",
    ];
    for text in texts {
        let root = NewTask {
            input: payload(text),
            ..task("f")
        };
        let claimed = world.start(root).await;
        assert_eq!(claimed.input.as_str(), text);
    }
}

pub(crate) async fn deeply_nested_json_is_kept_as_deep_as_it_can_be_read(world: World) {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let limit = defaults::PAYLOAD_MAX_BYTES;
    let deepest = (1..1_000).take_while(|depth| Payload::parse(nested(*depth), limit).is_ok());
    let deepest = nested(deepest.last().expect("some depth can be read"));
    let root = NewTask {
        input: payload(&deepest),
        ..task("f")
    };
    assert_eq!(world.start(root).await.input.as_str(), deepest);
}

pub(crate) async fn rotten_errors_are_kept_cleaned(world: World) {
    let messages = [
        String::new(),
        "nul \0 inside".to_owned(),
        "\u{1b}]0;title\u{7}\r\n".to_owned(),
        "x".repeat(defaults::ERROR_MAX_BYTES * 3),
        "é".repeat(defaults::ERROR_MAX_BYTES),
    ];
    for message in messages {
        let mut claimed = world.start(task("f")).await;
        let outcome = Outcome::Failed(failure(&message));
        let then = Then::End(outcome.clone());
        world.write(&mut claimed, Vec::new(), then).await;
        assert_eq!(world.task(claimed.id()).await.outcome, Some(outcome));
    }
}

pub(crate) async fn strange_signals_are_received_as_they_were_sent(world: World) {
    let mut claimed = world.start(task("f")).await;
    for (position, name) in (1..).zip(STRANGE) {
        let signal = stent_core::signal::NewSignal {
            id: new_signal_id(),
            execution: claimed.task.execution,
            name: SignalName::new(name).expect("a name"),
            payload: payload("\"\\u0000 <'>\""),
        };
        world.send(vec![signal]).await;
        let write = crate::writes::wait_for(position, name, None);
        world.write(&mut claimed, vec![write], Then::Continue).await;
        let outcome = world.entry(claimed.id(), position).await.outcome;
        assert_eq!(outcome, Some(value("\"\\u0000 <'>\"")));
    }
}

pub(crate) async fn ids_at_the_ends_of_their_range_are_ids(world: World) {
    let ids = [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ];
    for id in ids {
        let root = NewTask {
            id: id.parse().expect("a UUID"),
            ..task("f")
        };
        let claimed = world.start(root).await;
        assert_eq!(claimed.id().to_string(), id);
    }
    assert_eq!(world.executions().await.len(), 2);
    assert_eq!(world.visible().await.tasks.len(), 2);
}

pub(crate) async fn marks_at_the_ends_of_their_range_are_marks(world: World) {
    for mark in [i64::MIN, -1, 0, i64::MAX] {
        world.dispatch(task("f")).await;
        let mut request = claim_request(&["f"], 1);
        request.terms.mark = stent_core::ClaimMark(mark);
        let mut claimed = crate::world::held(world.claim_with(request).await).remove(0);
        assert_eq!(claimed.fence().mark.0, mark);
        world.complete(&mut claimed).await;
    }
}
