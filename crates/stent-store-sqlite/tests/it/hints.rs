//! Hints: at once in this process, soon from others, and never more than a listener can take.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use stent_core::{Hint, Store as _, store::HintStream};
use stent_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use stent_conformance::requests::{dispatch, executions};

fn two() -> (TempDir, SqliteStore, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        SqliteOptions::new(folder.path().join("stent.db"))
            .open()
            .unwrap()
    };
    let (one, other) = (open(), open());
    (folder, one, other)
}

async fn next(hints: &mut HintStream) -> Hint {
    let waiting = tokio::time::timeout(Duration::from_secs(30), hints.next());
    waiting
        .await
        .expect("a hint comes soon")
        .expect("the store is open")
}

#[tokio::test]
async fn a_write_of_this_process_is_told_as_what_it_is_and_as_nothing_else() {
    let (_folder, store, other) = two();
    let mut hints = store.hints();
    for _ in 0..20 {
        dispatch(&store, "1").await.unwrap();
        assert!(matches!(next(&mut hints).await, Hint::Due { .. }));
    }
    // The other store's write is the next thing that is heard, so nothing else was told meanwhile.
    dispatch(&other, "1").await.unwrap();
    assert_eq!(next(&mut hints).await, Hint::Anything);
}

#[tokio::test]
async fn another_stores_write_is_told_and_seen() {
    let (_folder, store, other) = two();
    let mut hints = store.hints();
    for number in 1..=3 {
        dispatch(&other, "1").await.unwrap();
        assert_eq!(next(&mut hints).await, Hint::Anything);
        assert_eq!(executions(&store).await.len(), number);
    }
}

#[tokio::test]
async fn a_listener_who_is_slow_is_told_to_look_at_everything() {
    let (_folder, store, _other) = two();
    let mut hints = store.hints();
    for _ in 0..1_100 {
        dispatch(&store, "1").await.unwrap();
    }
    // Hints are told after the answer. Once a later request is answered, all have been.
    store.health().await.unwrap();
    let mut told = 0;
    while next(&mut hints).await != Hint::Anything {
        told += 1;
    }
    assert!(told <= 1_024);
    assert!(hints.next().now_or_never().is_none());
}

#[tokio::test]
async fn the_stream_ends_with_the_store() {
    let (_folder, store, other) = two();
    let mut hints = store.hints();
    drop(store);
    assert_eq!(hints.next().await, None);
    drop(other);
}
