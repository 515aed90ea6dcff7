//! Many calls as one value.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
};

use stent_client::{FailureKind, MapExt, Outcome, StarmapExt, context, sleep};
use stent_core::Failure;

use crate::{
    body::{Scripted, Wakes},
    functions::{double, join_words},
};

fn failed(message: &str) -> Outcome {
    Outcome::Failed(Failure::new(FailureKind::Error, message))
}

#[test]
fn a_map_gives_results_in_the_order_of_its_inputs() {
    let context = Scripted::new();
    for position in [2, 3, 1] {
        context.complete(position, &(position * 10));
    }
    let results = context.finish(async { double.map([1, 2, 3]).await });
    assert_eq!(results.unwrap(), [10, 20, 30]);
}

#[test]
fn a_map_asks_for_all_of_its_calls_at_once_and_in_order() {
    let context = Scripted::new();
    let mut body = Box::pin(async { double.map(0..1_000).await });
    assert!(context.poll(body.as_mut()).is_pending());
    let begun = context.begun();
    assert_eq!(begun.len(), 1_000);
    assert!(begun.is_sorted_by_key(|(position, _)| *position));
}

#[test]
fn a_map_takes_its_positions_when_it_is_made() {
    let context = Scripted::new();
    context.complete(3, &());
    context.complete(1, &1);
    context.complete(2, &2);
    context.finish(async {
        let map = double.map([1, 2]);
        sleep("1s").await.unwrap();
        map.await.unwrap();
    });
}

#[test]
fn a_map_ends_with_the_first_failure_that_was_recorded() {
    let context = Scripted::new();
    context.complete(1, &1);
    context.deliver(3, failed("third"));
    context.deliver(2, failed("second"));
    let error = context
        .finish(async { double.map([1, 2, 3]).await })
        .unwrap_err();
    assert_eq!(error.failure().unwrap().message(), "third");
    assert_eq!(context.abandoned(), [2], "the others are not waited for");
}

#[test]
fn all_of_a_map_waits_for_every_call() {
    let context = Scripted::new();
    context.deliver(2, failed("second"));
    context.complete(3, &3);
    context.complete(1, &1);
    let results = context.finish(async { double.map([1, 2, 3]).all().await });
    let values: Vec<_> = results.into_iter().map(Result::ok).collect();
    assert_eq!(values, [Some(1), None, Some(3)]);
}

#[test]
fn options_are_set_on_each_call_and_a_wrong_one_fails_the_map() {
    let context = Scripted::new();
    let error = context.finish(async { double.map([1, 2]).each(|call| call.queue("")).await });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("queue name is empty")
    );
}

#[test]
fn a_starmap_takes_tuples() {
    let context = Scripted::new();
    context.complete(1, &"ab");
    let words = [("a".to_owned(), "b".to_owned())];
    let results = context.finish(async { join_words.starmap(words).await });
    assert_eq!(results.unwrap(), ["ab"]);
    assert_eq!(context.begun()[0].1, r#"join_words(["a","b"])"#);
}

#[test]
fn nothing_to_map_is_no_result_at_once() {
    let context = Scripted::new();
    let none: [u32; 0] = [];
    assert!(
        context
            .finish(async { double.map(none).await })
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_map_that_is_awaited_again_is_an_error() {
    let context = Scripted::new();
    context.complete(1, &1);
    context.complete(2, &2);
    context.finish(async {
        let mut map = double.map([1]);
        (&mut map).await.unwrap();
        assert!(map.await.unwrap_err().to_string().contains("awaited again"));
        let mut all = double.map([1]).all();
        assert!((&mut all).await[0].is_ok());
        assert!(all.await[0].is_err());
    });
}

/// One outcome among many costs a look at one call, not at all of them.
#[test]
fn an_outcome_wakes_its_own_call_only() {
    let context = Scripted::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut map = {
        let _entered = context::enter(Arc::clone(&context) as _);
        double.map(0..100)
    };
    let mut poll = || {
        let _entered = context::enter(Arc::clone(&context) as _);
        std::pin::Pin::new(&mut map).poll(&mut Context::from_waker(&waker))
    };
    while {
        let before = wakes.0.load(Ordering::SeqCst);
        assert!(poll().is_pending());
        wakes.0.load(Ordering::SeqCst) > before
    } {}
    let polled = context.polls();
    assert!(poll().is_pending());
    assert_eq!(context.polls(), polled, "no call is looked at without news");
}
