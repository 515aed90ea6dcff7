//! Hints: lossy, and never in anyone's way.

use std::task::Poll;

use stent_core::{Hint, StateKind, store::HintStream};

use crate::{
    world::World,
    writes::{execution, task, wait_for, waits},
};

pub(crate) async fn the_stream_does_not_end_while_the_store_is_open(world: World) {
    let mut hints = world.store.hints();
    for _ in 0..3 {
        world.dispatch(task("f")).await;
        drain(&mut hints).await;
    }
}

pub(crate) async fn a_listener_that_never_reads_delays_nobody(world: World) {
    let slow = world.store.hints();
    for _ in 0..20 {
        let executions = (0..500).map(|_| execution(task("f")));
        world.dispatch_all(executions.collect()).await;
    }
    assert_eq!(world.claim(&["f"], 10_000).await.len(), 10_000);
    let mut slow = slow;
    assert!(
        drain(&mut slow).await < 100_000,
        "what it missed is bounded"
    );
    world.dispatch(task("f")).await;
    drain(&mut slow).await;
}

pub(crate) async fn a_listener_that_went_away_is_forgotten(world: World) {
    for _ in 0..100 {
        drop(world.store.hints());
    }
    let id = world.dispatch(task("f")).await;
    assert_eq!(world.state(id.root()).await, StateKind::Pending);
}

pub(crate) async fn nothing_depends_on_a_hint(world: World) {
    // Nobody listens here, and everything is found by asking.
    let mut parent = world.start(task("f")).await;
    let mut child = world.start_child(&mut parent, 1, task("child")).await;
    let write = vec![wait_for(2, "x", None)];
    world.write(&mut parent, write, waits(0)).await;
    world.complete(&mut child).await;
    let mut parent = world.claim_one("f").await;
    world.write(&mut parent, Vec::new(), waits(1)).await;
    world.signal(parent.task.execution, "x", "1").await;
    assert_eq!(world.claim_one("f").await.task.deliveries.0, 2);
}

/// Takes all hints that are there; how many.
async fn drain(hints: &mut HintStream) -> usize {
    let mut count = 0;
    while let Some(hint) = next(hints).await {
        assert!(
            !matches!(hint, Some(Hint::Ended { .. })),
            "nothing has ended"
        );
        assert!(hint.is_some(), "the stream ended");
        count += 1;
    }
    count
}

/// The next hint, if one is there: `Some(None)` when the stream ended.
async fn next(hints: &mut HintStream) -> Option<Option<Hint>> {
    std::future::poll_fn(|context| {
        Poll::Ready(match hints.as_mut().poll_next(context) {
            Poll::Ready(hint) => Some(hint),
            Poll::Pending => None,
        })
    })
    .await
}
