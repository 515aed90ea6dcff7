//! Racers: tasks on threads of their own that begin at one moment.

use std::{future::Future, sync::Arc};

use tokio::sync::Barrier;

/// Runs racers at once and answers what they answered, in the order of the racers.
pub(crate) async fn race<T: Send + 'static>(
    racers: Vec<impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(racers.len()));
    let start = |racer| {
        let barrier = Arc::clone(&barrier);
        tokio::spawn(async move {
            barrier.wait().await;
            racer.await
        })
    };
    let running: Vec<_> = racers.into_iter().map(start).collect();
    let mut answers = Vec::with_capacity(running.len());
    for racer in running {
        answers.push(racer.await.expect("a racer does not panic"));
    }
    answers
}
