//! Tasks that were lost with their workers again and again, and are none the worse for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stent::prelude::*;

use crate::support::{World, eventually};

#[derive(Debug, Default)]
struct Begun(AtomicU32);

#[durable]
async fn child(number: u32, #[state] begun: Arc<Begun>) -> stent::Result<u32> {
    begun.0.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(number)
}

#[durable]
async fn parent() -> stent::Result<u32> {
    Ok(child.map(0..4).await?.into_iter().sum())
}

#[tokio::test(start_paused = true)]
async fn a_suspect_that_waits_for_suspects_makes_way_for_them_at_once() {
    let world = World::new();
    let begun = Arc::new(Begun::default());
    let build = || {
        world
            .worker("worker")
            .register(functions![parent, child])
            .state(Arc::clone(&begun))
            .lease_duration(Duration::from_secs(2))
    };
    let execution = world.stent.dispatch(parent()).await.unwrap();
    // Its worker is lost twice while all of them run: they are suspects, parent and children.
    for crash in 1..=2 {
        let worker = build().start().await.unwrap();
        eventually("the children run", async || {
            begun.0.load(Ordering::SeqCst) == 4 * crash
        })
        .await;
        drop(worker);
        world.pass(Duration::from_secs(3)).await;
    }
    let before = world.elapsed();
    let _worker = build().start().await.unwrap();
    assert_eq!(execution.result().await.unwrap(), 6);
    let took = world.elapsed() - before;
    assert!(
        took < Duration::from_secs(2),
        "four children of 200 ms, one after the other, took {took:?}"
    );
}
