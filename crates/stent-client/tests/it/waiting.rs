//! Waiting for executions: nothing is missed, and a thousand who wait cost what one costs.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use stent_client::{Error, Handle, MapExt, Outcome, Stent};
use stent_core::Hint;
use tokio::time::{Instant, sleep};

use crate::{
    body::payload,
    faulty::{Fault, Faulty},
    functions::double,
};

fn done() -> Outcome {
    Outcome::Completed(payload(&7))
}

async fn dispatched(store: &Arc<Faulty>, calls: u32) -> (Stent, Vec<Handle<double>>) {
    let stent = Stent::new(Arc::clone(store) as _);
    let handles = stent.dispatch_all(double.map(0..calls)).await.unwrap();
    (stent, handles)
}

/// Lets everyone who waits come to rest, without moving the time.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_there_is_given_at_once() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    store.end_all(|_| done()).await;
    let begun = Instant::now();
    assert_eq!(handles[0].result().await.unwrap(), 7);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_hint_gives_the_result_at_once() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    let waiting = tokio::spawn(async move { handles[0].result().await });
    settle().await;
    let begun = Instant::now();
    store.end_all(|_| done()).await;
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_cannot_be_read_fails_who_waits_for_it_and_nobody_else() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 3).await;
    store.spoil(handles[1].id());
    let waiting = tokio::spawn(async move {
        let results = handles.iter().map(|handle| handle.result());
        join_all(results).await
    });
    settle().await;
    store.end_all(|_| done()).await;
    let results = waiting.await.unwrap();
    assert_eq!(*results[0].as_ref().unwrap(), 7);
    assert!(
        matches!(results[1], Err(Error::Store { .. })),
        "{results:?}"
    );
    assert_eq!(*results[2].as_ref().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_again_for_what_cannot_be_read_is_told_so_again() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 100).await;
    store.spoil(handles[37].id());
    let spoilt = handles[37].clone();
    let waiting = tokio::spawn(async move { join_all(handles.iter().map(Handle::result)).await });
    for _ in 0..5 {
        let before = store.requests();
        let error = spoilt.result().await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        assert!(store.requests() - before < 25, "it is found in few steps");
    }
    store.end_all(|_| done()).await;
    let results = waiting.await.unwrap();
    let failed: Vec<_> = (0..100).filter(|place| results[*place].is_err()).collect();
    assert_eq!(failed, [37]);
}

#[tokio::test(start_paused = true)]
async fn hints_that_are_invented_and_doubled_end_no_wait() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    let execution = handles[0].id();
    let waiting = tokio::spawn(async move { handles[0].result().await });
    settle().await;
    store.invent(&Hint::Ended { execution }, 3);
    settle().await;
    store.end_all(|_| done()).await;
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn without_any_hint_the_result_comes_within_a_poll_interval() {
    let store = Faulty::new();
    store.deafen();
    let (_stent, handles) = dispatched(&store, 1).await;
    let waiting = tokio::spawn(async move { handles[0].result().await });
    settle().await;
    store.end_all(|_| done()).await;
    let begun = Instant::now();
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

/// An execution may end at any moment between its dispatch, the first look at it and the next.
#[tokio::test(start_paused = true)]
async fn an_end_at_any_moment_is_not_missed() {
    for moment in 0..40 {
        let store = Faulty::new();
        let (_stent, handles) = dispatched(&store, 1).await;
        let begun = Instant::now();
        let waiting = tokio::spawn(async move { handles[0].result().await });
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        store.end_all(|_| done()).await;
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
        assert_eq!(
            begun.elapsed(),
            Duration::ZERO,
            "it was missed at moment {moment}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_wait_cost_one_query_per_look() {
    let store = Faulty::new();
    store.deafen();
    let (_stent, handles) = dispatched(&store, 1_000).await;
    let waiting = tokio::spawn(async move { join_all(handles.iter().map(Handle::result)).await });
    settle().await;
    let before = store.requests();
    sleep(Duration::from_millis(10_500)).await;
    assert_eq!(store.requests() - before, 10);

    store.end_all(|_| done()).await;
    let results = waiting.await.unwrap();
    assert!(results.into_iter().all(|result| result.unwrap() == 7));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_ends_at_once_are_read_in_batches() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1_000).await;
    let waiting = tokio::spawn(async move { join_all(handles.iter().map(Handle::result)).await });
    settle().await;
    let before = store.requests();
    store.end_all(|_| done()).await;
    assert_eq!(waiting.await.unwrap().len(), 1_000);
    assert!(
        store.requests() - before < 50,
        "{} requests",
        store.requests() - before
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_stopped_waiting_are_not_asked_for_any_more() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    let gave_up = tokio::time::timeout(Duration::from_secs(3), handles[0].result()).await;
    gave_up.unwrap_err();
    sleep(Duration::from_secs(5)).await;
    let before = store.requests();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(store.requests(), before);

    store.end_all(|_| done()).await;
    assert_eq!(handles[0].result().await.unwrap(), 7, "waiting again works");
}

#[tokio::test(start_paused = true)]
async fn many_wait_for_one_execution() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    let handle = handles[0].clone();
    let waiting = tokio::spawn(async move { join_all((0..10).map(|_| handle.result())).await });
    settle().await;
    store.end_all(|_| done()).await;
    assert!(
        waiting
            .await
            .unwrap()
            .into_iter()
            .all(|result| result.unwrap() == 7)
    );
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_deleted_while_someone_waits_is_gone() {
    let store = Faulty::new();
    store.deafen();
    let (stent, handles) = dispatched(&store, 1).await;
    let waiting = tokio::spawn(async move { handles[0].result().await });
    settle().await;
    store.end_all(|_| done()).await;
    std::thread::yield_now();
    while stent.clean_up(Duration::ZERO).await.unwrap() == 0 {
        std::thread::yield_now();
    }
    assert!(waiting.await.unwrap().unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_patience_is_waited_out() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    let waiting = tokio::spawn(async move { handles[0].result().await });
    settle().await;
    store.always(Fault::Before);
    store.end_all(|_| done()).await;
    sleep(Duration::from_secs(20)).await;
    assert!(!waiting.is_finished());
    store.always(Fault::None);
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_patience_is_told_to_all_who_wait() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 3).await;
    store.always(Fault::Before);
    let begun = Instant::now();
    let before = store.requests();
    let results = join_all(handles.iter().map(Handle::result)).await;
    assert!(begun.elapsed() < Duration::from_secs(32));
    assert!(store.requests() - before < 60);
    for result in results {
        assert!(matches!(result.unwrap_err(), Error::Unavailable { .. }));
    }
    store.always(Fault::None);
    store.end_all(|_| done()).await;
    assert_eq!(handles[0].result().await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_is_told_to_all_who_wait() {
    let store = Faulty::new();
    let (_stent, handles) = dispatched(&store, 1).await;
    store.always(Fault::Silence);
    let begun = Instant::now();
    let error = handles[0].result().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { source: None, .. }));
    assert!(begun.elapsed() <= Duration::from_secs(31));
}

#[test]
fn a_wait_survives_the_end_of_the_runtime_that_looked_after_it() {
    let store = Faulty::new();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (_stent, handles) = first.block_on(dispatched(&store, 2));
    let one = handles[0].clone();
    let on_first = first.spawn(async move { one.result().await });
    let two = handles[1].clone();
    let on_second = second.spawn(async move { two.result().await });
    second.block_on(async {
        while store.requests() < 2 {
            tokio::task::yield_now().await;
        }
    });
    drop(on_first);
    first.shutdown_background();
    second.block_on(async {
        store.end_all(|_| done()).await;
        assert_eq!(on_second.await.unwrap().unwrap(), 7);
    });
}

#[test]
fn waiting_without_a_runtime_is_a_typed_error() {
    let store = Faulty::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_stent, handles) = runtime.block_on(dispatched(&store, 1));
    drop(runtime);
    let waiting = std::pin::pin!(handles[0].result());
    let result = futures_util::FutureExt::now_or_never(waiting).unwrap();
    assert!(matches!(result.unwrap_err(), Error::NoRuntime));
}
