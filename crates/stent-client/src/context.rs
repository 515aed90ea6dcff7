//! What a body may ask of whoever polls it.
//!
//! A worker enters a context around each poll of a body; `stent::sleep`, a call, a step find it there. So the functions that a body calls need
//! no runtime, and a program that only dispatches compiles no worker.

use std::{
    any::TypeId,
    cell::RefCell,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use stent_core::{
    CallKey, CallPosition, ExecutionId, FunctionName, NewTask, Outcome, SignalName, StepName,
    TaskId, Timestamp,
};

use crate::SharedState;

/// A durable operation whose outcome is awaited.
#[derive(Clone, Debug)]
pub enum Request {
    /// Run another durable function as a child task. Its id is replaced by the context's own.
    Child(Box<NewTask>),
    /// Run a side effect in place and record its outcome.
    Step(StepName),
    /// Wait for a span of time.
    Sleep(Duration),
    /// Wait until an instant.
    SleepUntil(Timestamp),
    /// Wait for an outside event.
    Signal {
        /// Its name.
        name: SignalName,
        /// How long to wait at most.
        timeout: Option<Duration>,
    },
}

/// What a step is told when it may go on.
#[derive(Clone, Debug)]
pub enum StepStart {
    /// Everything that it was computed from is committed: run it, and hand in the outcome.
    Run,
    /// It was run before; this is its outcome.
    Recorded(Outcome),
}

/// Which task a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The task.
    pub task: TaskId,
    /// Its execution.
    pub execution: ExecutionId,
    /// Its function.
    pub function: FunctionName,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

impl TaskInfo {
    /// Describes a task.
    #[must_use]
    pub const fn new(
        task: TaskId,
        execution: ExecutionId,
        function: FunctionName,
        attempt: u32,
    ) -> Self {
        Self {
            task,
            execution,
            function,
            attempt,
        }
    }
}

/// Implemented by whoever runs bodies.
///
/// An operation that the context cannot go on with (the code does not match the history, the lease is lost) stays pending for ever, and the
/// body is dropped.
pub trait BodyContext: Send + Sync + fmt::Debug {
    /// Which task this is.
    fn info(&self) -> TaskInfo;

    /// Takes the next call position for an operation that the body has just made, in program order. One that is never begun leaves a gap.
    fn reserve(&self) -> CallPosition;

    /// Gives a position back for an operation that is known by its key instead. If it was not the newest, it stays a gap.
    fn release(&self, position: CallPosition);

    /// Begins an operation at its position, or at that of its key; answers which it is. Nothing is sent before the body is pending.
    fn begin(&self, position: CallPosition, key: Option<CallKey>, request: Request)
    -> CallPosition;

    /// The outcome of an operation, once it is this one's turn in the recorded order.
    fn poll_outcome(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<Outcome>;

    /// Whether a step runs now, or was recorded before.
    fn poll_step(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<StepStart>;

    /// Hands in the outcome of a step that was run. It is given back by [`BodyContext::poll_outcome`] when it is its turn.
    fn finish_step(&self, position: CallPosition, outcome: Outcome);

    /// The body no longer waits for an operation whose outcome it has not seen. Called only while this context is entered: a body that is
    /// dropped as a whole abandons nothing.
    fn abandon(&self, position: CallPosition);

    /// The present instant by the store's clock; the same again when it is replayed, and never earlier than before.
    fn now(&self) -> Timestamp;

    /// Sixteen random bytes; the same again when they are replayed.
    fn random(&self) -> [u8; 16];

    /// The bytes of a UUID that no other call has, in this task or another; the same again however often the task is begun.
    fn uuid(&self) -> [u8; 16];

    /// Whether the body should stop: its lease ends, it was cancelled, its time is up, or the worker drains.
    fn should_stop(&self) -> bool;

    /// Ready when the body should stop. Whoever waits is given a number the first time, and keeps it.
    fn poll_stop(&self, waiter: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<()>;

    /// Who had this number waits no longer.
    fn forget_stop(&self, waiter: u64);

    /// The size that a payload may have, in bytes.
    fn payload_limit(&self) -> usize;

    /// What the worker was given by `state`, by its type.
    fn state(&self, type_id: TypeId) -> Option<SharedState>;
}

/// What this thread polls.
#[derive(Clone, Debug)]
struct Polled {
    context: Arc<dyn BodyContext>,
    within: Within,
}

/// What of a body runs now. Only the body itself may use durable operations; the others may ask whether they should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// An async body.
    Body,
    /// The effect of a step, which is recorded as a whole.
    Step,
    /// A blocking body, which cannot wait.
    Blocking,
}

thread_local! {
    static POLLED: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// Makes a context the current one of this thread until the guard is dropped.
#[must_use = "the context is current only while the guard lives"]
pub fn enter(context: Arc<dyn BodyContext>) -> Entered {
    Entered::replace(Some(Polled {
        context,
        within: Within::Body,
    }))
}

/// Makes a context the current one of a thread on which a blocking body runs. Durable operations are refused there: nobody polls them.
#[must_use = "the context is current only while the guard lives"]
pub fn enter_blocking(context: Arc<dyn BodyContext>) -> Entered {
    Entered::replace(Some(Polled {
        context,
        within: Within::Blocking,
    }))
}

/// Takes the current context away until the guard is dropped, while the effect of a step is polled: what it does is recorded as a whole.
pub(crate) fn enter_effect() -> Entered {
    Entered::replace(polled().map(|polled| Polled {
        within: Within::Step,
        ..polled
    }))
}

/// Restores what was current before.
#[derive(Debug)]
pub struct Entered {
    before: Option<Polled>,
}

impl Entered {
    fn replace(polled: Option<Polled>) -> Self {
        Self {
            before: POLLED.replace(polled),
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        POLLED.set(self.before.take());
    }
}

fn polled() -> Option<Polled> {
    // A thread that ends has none; what it still drops may ask.
    POLLED
        .try_with(|polled| polled.borrow().clone())
        .ok()
        .flatten()
}

/// The current context of this thread: that of the body which is being polled. None in the effect of a step and in a blocking body.
#[must_use]
pub fn current() -> Option<Arc<dyn BodyContext>> {
    polled()
        .filter(|polled| polled.within == Within::Body)
        .map(|polled| polled.context)
}

/// The context of the body that is being polled, or whose step is.
pub(crate) fn around() -> Option<Arc<dyn BodyContext>> {
    polled().map(|polled| polled.context)
}

/// What of a body runs on this thread, if anything does.
pub(crate) fn within() -> Option<Within> {
    polled().map(|polled| polled.within)
}
