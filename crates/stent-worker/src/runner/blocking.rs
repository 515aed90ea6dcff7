//! How a blocking body is run: on a thread of its own, which it may have to wait for.
//!
//! **Invariant:** it begins only while its lease surely holds and somebody wants what it does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::FutureExt;
use stent_client::{BodyFuture, context};
use stent_core::{Failure, FailureKind, Payload};

use super::failure_of;
use crate::context::TaskContext;

/// Runs a blocking body off the async threads. It has to ask whether it should stop; when nobody waits for it any more, it is reported.
pub(super) fn run(
    body: fn(Payload) -> Result<Payload, Failure>,
    input: Payload,
    context: Arc<TaskContext>,
) -> BodyFuture {
    async move {
        loop {
            let (input, context) = (input.clone(), Arc::clone(&context));
            let running = tokio::task::spawn_blocking(move || run_held(body, input, context));
            match running.await {
                Ok(Some(result)) => return result,
                // It had to wait for a thread beyond its lease, and is polled again only if that was renewed after all.
                Ok(None) => {}
                Err(error) => return Err(Failure::from_error(FailureKind::Panic, &error)),
            }
        }
    }
    .boxed()
}

/// Runs a blocking body if its lease surely holds.
fn run_held(
    body: fn(Payload) -> Result<Payload, Failure>,
    input: Payload,
    context: Arc<TaskContext>,
) -> Option<Result<Payload, Failure>> {
    if context.is_given_up() {
        let stopped = "it was stopped before it began";
        return Some(Err(Failure::new(FailureKind::Error, stopped)));
    }
    if !context.is_held() {
        return None;
    }
    let _entered = context::enter_blocking(context);
    let result = catch_unwind(AssertUnwindSafe(|| body(input)));
    Some(result.unwrap_or_else(|panic| Err(failure_of(panic))))
}
