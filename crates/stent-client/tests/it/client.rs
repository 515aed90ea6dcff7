//! Dispatching, asking and administering, on a store that answers, fails or is silent.

use std::{sync::Arc, time::Duration};

use stent_client::{
    CancelAnswer, Error, ExecutionId, ExecutionQuery, FailureKind, MapExt, Outcome, StateKind,
    Stent, TaskQuery, Timestamp, Uuid,
};
use stent_core::{Failure, Store};

use crate::{
    body::payload,
    faulty::{Fault, Faulty},
    functions::{double, note},
};

fn client() -> (Stent, Arc<Faulty>) {
    let store = Faulty::new();
    (Stent::new(Arc::clone(&store) as _), store)
}

fn nobody() -> ExecutionId {
    ExecutionId::from_uuid(Uuid::nil())
}

async fn count(store: &Faulty) -> usize {
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    store
        .inner()
        .executions(query)
        .await
        .unwrap()
        .executions
        .len()
}

#[tokio::test]
async fn a_dispatch_keeps_what_its_call_says() {
    let (stent, _store) = client();
    let call = double(21)
        .queue("mail")
        .priority(-3)
        .delay("1h")
        .timeout("30s")
        .deadline(Timestamp::MAX)
        .tag("vip")
        .tag("vip")
        .tag("eu")
        .idempotency_key("17");
    let handle = stent.dispatch(call).await.unwrap();
    assert_eq!(handle.existing(), None);
    let record = handle.untyped().record().await.unwrap();
    let task = &record.root.task;
    assert_eq!(task.id.as_root(), handle.id());
    assert_eq!((task.queue.as_str(), task.priority.0), ("mail", -3));
    assert_eq!(task.timeout, Some(Duration::from_secs(30)));
    assert_eq!(task.deadline, Some(Timestamp::MAX));
    assert!(task.state.due_at().unwrap().since(task.created_at) >= Duration::from_secs(3_599));
    assert_eq!(record.root.input.unwrap().as_str(), "21");
    let tags: Vec<_> = record.tags.iter().map(|tag| tag.as_str()).collect();
    assert_eq!(tags, ["eu", "vip"]);
    assert_eq!(record.idempotency_key.unwrap().as_str(), "17");
    assert_eq!(handle.state().await.unwrap(), StateKind::Pending);
}

#[tokio::test]
async fn a_second_dispatch_under_a_key_gives_the_execution_that_exists() {
    let (stent, store) = client();
    let first = stent
        .dispatch(double(1).idempotency_key("k"))
        .await
        .unwrap();
    let same = stent
        .dispatch(double(1).idempotency_key("k"))
        .await
        .unwrap();
    let other = stent
        .dispatch(double(2).idempotency_key("k"))
        .await
        .unwrap();
    assert_eq!([same.id(), other.id()], [first.id(); 2]);
    assert!(!same.existing().unwrap().other_input);
    assert!(other.existing().unwrap().other_input);
    assert_eq!(count(&store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_nobody_heard_of_is_repeated_and_made_once() {
    let (stent, store) = client();
    store.fail([Fault::Before, Fault::After, Fault::Before]);
    let handle = stent.dispatch(double(1)).await.unwrap();
    assert_eq!(
        handle.existing(),
        None,
        "its own execution is not another's"
    );
    assert_eq!((count(&store).await, store.requests()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_a_typed_error_after_a_bound() {
    let (stent, store) = client();
    store.always(Fault::Before);
    let begun = tokio::time::Instant::now();
    let error = stent.dispatch(double(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the store could not dispatch within 30s");
    assert!(!error.is_outcome_unknown());
    assert!(begun.elapsed() <= Duration::from_secs(30));
    assert!(store.requests() < 60, "{} requests", store.requests());

    store.fail([Fault::After]);
    let error = stent.dispatch(double(1)).await.unwrap_err();
    assert!(
        error.is_outcome_unknown(),
        "what may have happened is not forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_a_typed_error_after_a_bound() {
    let (stent, store) = client();
    store.always(Fault::Silence);
    let begun = tokio::time::Instant::now();
    let error = stent.dispatch(double(1)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { source: None, .. }) && error.is_outcome_unknown());
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (stent, store) = client();
    store.fail([Fault::Refused]);
    let error = stent.dispatch(double(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the store could not dispatch");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the request is wrong"
    );
    assert_eq!(store.requests(), 1);
}

#[tokio::test]
async fn a_wrong_call_is_refused_before_the_store_is_asked() {
    let store = Faulty::new();
    let stent = Stent::builder(Arc::clone(&store) as _)
        .payload_limit(10)
        .build();
    let calls = [
        (double(1).queue("x".repeat(256)), "queue name"),
        (double(1).delay("soon"), "`soon` is no duration"),
        (double(1).deadline("soon"), "`soon` is no duration"),
        (
            double(1).key("a"),
            "`.key(..)` on a call of `double` means nothing when it is dispatched",
        ),
        (
            (0..33).fold(double(1), |call, tag| call.tag(tag.to_string())),
            "33 tags are too many; an execution has at most 32",
        ),
    ];
    for (call, part) in calls {
        let message = stent.dispatch(call).await.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let large = stent.dispatch(note("x".repeat(9))).await.unwrap_err();
    assert!(
        large
            .to_string()
            .contains("the payload has 11 bytes; at most 10 are allowed")
    );
    stent.dispatch(note("x".repeat(8))).await.unwrap();
    assert_eq!(store.requests(), 1);
}

#[tokio::test]
async fn many_calls_are_dispatched_in_their_order() {
    let (stent, store) = client();
    let handles = stent.dispatch_all(double.map(0..100)).await.unwrap();
    assert_eq!((handles.len(), store.requests()), (100, 1));
    for (number, handle) in handles.iter().enumerate().step_by(33) {
        let input = handle.untyped().record().await.unwrap().root.input.unwrap();
        assert_eq!(input.as_str(), number.to_string());
    }
    assert!(stent.dispatch_all(double.map([])).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_wrong_call_of_many_dispatches_none() {
    let (stent, store) = client();
    let calls = double
        .map(0..3)
        .into_calls()
        .into_iter()
        .chain([double(4).delay("soon")]);
    stent.dispatch_all(calls).await.unwrap_err();
    assert_eq!(store.requests(), 0);
}

#[tokio::test]
async fn a_failure_in_the_middle_of_many_says_how_many_are_dispatched() {
    let (stent, store) = client();
    store.fail([Fault::None, Fault::Refused]);
    let error = stent.dispatch_all(double.map(0..10_001)).await.unwrap_err();
    assert!(matches!(
        error,
        Error::PartlyDispatched {
            dispatched: 10_000,
            calls: 10_001,
            ..
        }
    ));
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let (stent, _store) = client();
    let handle = stent.handle::<double>(nobody());
    let errors = [
        handle.state().await.unwrap_err(),
        handle.result().await.unwrap_err(),
        handle.try_result().await.unwrap_err(),
        handle.cancel().await.unwrap_err(),
        handle.signal("go", &1).await.unwrap_err(),
        stent.replay_dead_letter(nobody()).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_not_found(), "{error}");
    }
}

#[tokio::test]
async fn a_result_is_read_or_its_absence_explained() {
    let (stent, store) = client();
    let numbers = [1, 2, 3, 4, 5];
    let handles = stent.dispatch_all(numbers.map(double)).await.unwrap();
    assert_eq!(handles[0].try_result().await.unwrap(), None);
    store
        .end_all(|claimed| match claimed.input.as_str() {
            "1" => Outcome::Completed(payload(&2)),
            "2" => Outcome::Failed(Failure::new(FailureKind::Panic, "at the disco")),
            "3" => Outcome::TimedOut(Failure::new(FailureKind::Timeout, "30s are over")),
            "4" => Outcome::Cancelled,
            _ => Outcome::Completed(payload(&"ten")),
        })
        .await;
    assert_eq!(handles[0].result().await.unwrap(), 2);
    assert_eq!(handles[0].try_result().await.unwrap(), Some(2));
    let failed = handles[1].result().await.unwrap_err();
    assert_eq!(failed.failure().unwrap().kind(), FailureKind::Panic);
    assert!(handles[2].result().await.unwrap_err().is_timeout());
    assert!(handles[3].result().await.unwrap_err().is_cancelled());
    let undecodable = handles[4].result().await.unwrap_err();
    assert!(matches!(undecodable, Error::Undecodable { .. }));
    let source = std::error::Error::source(&undecodable).unwrap().to_string();
    assert_eq!(source, "the payload is not a `u32`");

    let other = stent
        .handle::<note>(handles[0].id())
        .result()
        .await
        .unwrap_err();
    assert!(
        other
            .to_string()
            .ends_with("is one of `double`, not of `note`"),
        "{other}"
    );
    let (function, outcome) = stent.execution(handles[0].id()).outcome().await.unwrap();
    assert_eq!(
        (function.as_str(), outcome),
        ("double", Outcome::Completed(payload(&2)))
    );
}

#[tokio::test]
async fn executions_tasks_and_dead_letters_are_listed() {
    let (stent, store) = client();
    let handles = stent
        .dispatch_all([double(1).tag("vip"), double(2)])
        .await
        .unwrap();
    store
        .end_all(|claimed| match claimed.input.as_str() {
            "1" => Outcome::Failed(Failure::new(FailureKind::Error, "no")),
            _ => Outcome::Completed(payload(&4)),
        })
        .await;
    let all = stent.executions(ExecutionQuery::default()).await.unwrap();
    assert_eq!(all.executions.len(), 2);
    let dead = stent.dead_letters(ExecutionQuery::default()).await.unwrap();
    assert_eq!(dead.executions.len(), 1);
    assert_eq!(dead.executions[0].root.task.execution, handles[0].id());
    let tasks = TaskQuery {
        execution: Some(handles[1].id()),
        ..TaskQuery::default()
    };
    assert_eq!(stent.tasks(tasks).await.unwrap().tasks.len(), 1);
    let histories = stent.histories([handles[0].id().root()]).await.unwrap();
    assert!(histories[0].entries.is_empty());
    stent.dispatch(double(3)).await.unwrap();
    assert_eq!(stent.functions().await.unwrap()[0].counts.pending, 1);
    assert!(stent.workers().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once() {
    let (stent, store) = client();
    let handle = stent.dispatch(double(1)).await.unwrap();
    let not_failed = stent.replay_dead_letter(handle.id()).await.unwrap_err();
    assert!(matches!(
        not_failed,
        Error::NotDeadLetter {
            state: StateKind::Pending,
            ..
        }
    ));
    store
        .end_all(|_| Outcome::Failed(Failure::new(FailureKind::Error, "no")))
        .await;
    stent.replay_dead_letter(handle.id()).await.unwrap();
    assert_eq!(handle.state().await.unwrap(), StateKind::Pending);
    stent.replay_dead_letter(handle.id()).await.unwrap_err();
}

#[tokio::test]
async fn a_cancel_says_what_became_of_it() {
    let (stent, _store) = client();
    let handle = stent.dispatch(double(1)).await.unwrap();
    assert_eq!(handle.cancel().await.unwrap(), CancelAnswer::Requested);
    let again = handle.cancel().await.unwrap();
    assert_eq!(again, CancelAnswer::Ended(StateKind::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_kept_once_or_refused() {
    let (stent, store) = client();
    let handle = stent.dispatch(double(1)).await.unwrap();
    store.fail([Fault::After, Fault::After]);
    handle.signal("approval", &true).await.unwrap();
    handle.signal("", &true).await.unwrap_err();
    handle.signal("approval", &f64::NAN).await.unwrap_err();
    handle.cancel().await.unwrap();
    let ended = handle.signal("approval", &true).await.unwrap_err();
    assert!(matches!(
        ended,
        Error::Ended {
            state: StateKind::Cancelled,
            ..
        }
    ));
}

#[tokio::test]
async fn a_limit_is_set_and_unset() {
    let (stent, _store) = client();
    stent.set_limit("double", 3).await.unwrap();
    let limit = || async { stent.functions().await.unwrap()[0].limits.by_operator };
    assert_eq!(limit().await.unwrap().get(), 3);
    let refused = stent.set_limit("double", 0).await.unwrap_err();
    assert!(matches!(refused, Error::Limit(_)));
    stent.set_limit("", 1).await.unwrap_err();
    stent.unset_limit("double").await.unwrap();
    let functions = stent.functions().await.unwrap();
    assert!(
        functions
            .iter()
            .all(|function| function.limits.by_operator.is_none())
    );
}

#[tokio::test]
async fn a_cleanup_deletes_what_has_ended_and_counts_it() {
    let (stent, store) = client();
    stent.dispatch_all(double.map(0..700)).await.unwrap();
    store.end_all(|_| Outcome::Completed(payload(&1))).await;
    stent.dispatch(double(1)).await.unwrap();
    assert_eq!(stent.clean_up("1h").await.unwrap(), 0);
    assert_eq!(stent.clean_up(Duration::ZERO).await.unwrap(), 700);
    assert_eq!(count(&store).await, 1);
    stent.clean_up("never").await.unwrap_err();
}
