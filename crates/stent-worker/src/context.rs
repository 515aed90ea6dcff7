//! What a body finds around each of its polls: its history, and whether it should stop.

use std::{
    any::TypeId,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use stent_client::SharedState;
use stent_client::context::{BodyContext, Request, StepStart, TaskInfo};
use stent_core::{
    CallKey, CallPosition, Failure, FailureKind, Operation, Outcome, Payload, TaskId, Timestamp,
};

use crate::{
    live::Handle,
    replay::{Asked, Replay},
    shared::Shared,
};

/// The context of one body.
pub(crate) struct TaskContext {
    info: TaskInfo,
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    replay: Mutex<Replay>,
    stop: AtomicBool,
    /// The body asked whether it should stop, and was told that it should.
    told: AtomicBool,
    /// A step failed because it was told so: nothing is recorded of it.
    interrupted: AtomicBool,
    given_up: AtomicBool,
    stop_waiters: Mutex<StopWaiters>,
}

/// Who waits to be asked to stop, by numbers that they are given.
#[derive(Debug, Default)]
struct StopWaiters {
    wakers: BTreeMap<u64, Waker>,
    newest: u64,
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// A lock that a panicking body cannot spoil: what it guards is changed by this crate alone, which does not panic halfway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TaskContext {
    pub(crate) fn new(
        info: TaskInfo,
        shared: Arc<Shared>,
        handle: Arc<Handle>,
        replay: Replay,
    ) -> Arc<Self> {
        Arc::new(Self {
            info,
            handle,
            stop: AtomicBool::new(shared.is_draining()),
            told: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            shared,
            replay: Mutex::new(replay),
            given_up: AtomicBool::new(false),
            stop_waiters: Mutex::default(),
        })
    }

    pub(crate) fn replay(&self) -> MutexGuard<'_, Replay> {
        lock(&self.replay)
    }

    /// Whether its lease surely holds. After a pause it may not, and then nothing is started any more; the runner finds out when the body waits.
    pub(crate) fn is_held(&self) -> bool {
        self.shared.clock.now() < self.handle.hold_until()
    }

    /// Asks the body to stop. An async body is dropped besides; a blocking one has to look.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        for waker in std::mem::take(&mut lock(&self.stop_waiters).wakers).into_values() {
            waker.wake();
        }
    }
}

impl TaskContext {
    /// Asks the body to stop; what becomes of its task is decided without it.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.stop();
    }

    /// Whether a failure says nothing of the code: the body was told to stop because the worker drains, and could not end well in time. Then no
    /// attempt is counted, and another worker begins it anew.
    pub(crate) fn is_due_to_drain(&self, failure: &Failure) -> bool {
        failure.kind() == FailureKind::Error
            && self.told.load(Ordering::Acquire)
            && self.shared.is_draining()
    }

    /// Whether a step failed so.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Whether nobody wants the body's result any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }
}

impl BodyContext for TaskContext {
    fn info(&self) -> TaskInfo {
        self.info.clone()
    }

    fn reserve(&self) -> CallPosition {
        self.replay().reserve()
    }

    fn release(&self, position: CallPosition) {
        self.replay().release(position);
    }

    fn begin(
        &self,
        position: CallPosition,
        key: Option<CallKey>,
        request: Request,
    ) -> CallPosition {
        let asked = match request {
            Request::Child(mut task) => {
                task.id =
                    TaskId::from_parts(self.shared.store_now(), &self.shared.random_bytes::<10>());
                Asked::Child {
                    operation: Operation::Child {
                        function: task.function.clone(),
                        input: task.input.digest(),
                    },
                    task,
                }
            }
            Request::Step(name) => Asked::Step {
                operation: Operation::Step { name },
            },
            Request::Sleep(span) => Asked::Wait(Operation::Sleep { span }),
            Request::SleepUntil(at) => Asked::Wait(Operation::SleepUntil { at }),
            Request::Signal { name, timeout } => Asked::Wait(Operation::Signal { name, timeout }),
        };
        self.replay().begin(position, key, asked)
    }

    fn poll_outcome(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.replay().poll(position, cx.waker()) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }

    fn poll_step(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<StepStart> {
        let mut replay = self.replay();
        if let Some(outcome) = replay.poll(position, cx.waker()) {
            Poll::Ready(StepStart::Recorded(outcome))
        } else if !self.is_held() {
            // It is asked again if a renewal is answered before the runner looks.
            cx.waker().wake_by_ref();
            Poll::Pending
        } else if replay.start_step(position, cx.waker()) {
            Poll::Ready(StepStart::Run)
        } else {
            Poll::Pending
        }
    }

    fn finish_step(&self, position: CallPosition, outcome: Outcome) {
        if let Outcome::Failed(failure) = &outcome
            && self.is_due_to_drain(failure)
        {
            self.interrupted.store(true, Ordering::Release);
            return;
        }
        self.replay().finish(position, outcome);
    }

    fn abandon(&self, position: CallPosition) {
        self.replay().abandon(position);
    }

    fn now(&self) -> Timestamp {
        let mut replay = self.replay();
        let fresh = self.shared.store_now();
        let recorded = replay.value(Operation::Now, |_| {
            Payload::from_stored(fresh.as_micros().to_string())
        });
        let micros = recorded.decode::<i64>().unwrap_or(fresh.as_micros());
        replay.no_earlier(Timestamp::from_micros(micros))
    }

    fn random(&self) -> [u8; 16] {
        let fresh = self.shared.random_bytes();
        let recorded = self.replay().value(Operation::Random, |_| drawn(fresh));
        as_drawn(&recorded).unwrap_or(fresh)
    }

    fn uuid(&self) -> [u8; 16] {
        let mut fresh = [0; 16];
        let recorded = self.replay().value(Operation::Random, |position| {
            fresh = position.uuid(self.info.task).into_bytes();
            drawn(fresh)
        });
        as_drawn(&recorded).unwrap_or(fresh)
    }

    fn should_stop(&self) -> bool {
        let stop = self.stop.load(Ordering::Acquire);
        if stop {
            self.told.store(true, Ordering::Release);
        }
        stop
    }

    fn poll_stop(&self, waiter: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiters = lock(&self.stop_waiters);
        let number = *waiter.get_or_insert_with(|| {
            waiters.newest = waiters.newest.saturating_add(1);
            waiters.newest
        });
        waiters.wakers.insert(number, cx.waker().clone());
        drop(waiters);
        if self.should_stop() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn forget_stop(&self, waiter: u64) {
        lock(&self.stop_waiters).wakers.remove(&waiter);
    }

    fn payload_limit(&self) -> usize {
        self.shared.settings.payload_limit
    }

    fn state(&self, type_id: TypeId) -> Option<SharedState> {
        self.shared.registry.state(type_id)
    }
}

/// How bytes that a body drew are recorded.
fn drawn(bytes: [u8; 16]) -> Payload {
    Payload::from_stored(format!("\"{:032x}\"", u128::from_be_bytes(bytes)))
}

fn as_drawn(recorded: &Payload) -> Option<[u8; 16]> {
    let text = recorded.decode::<String>().ok()?;
    let number = u128::from_str_radix(&text, 16).ok()?;
    Some(number.to_be_bytes())
}

/// Wakes a body's runner, and remembers that it was the body that was woken: a body is polled only then, so it is polled as often in a replay
/// as it was before.
#[derive(Debug, Default)]
pub(crate) struct BodyWaker {
    woken: AtomicBool,
    runner: Mutex<Option<Waker>>,
}

impl BodyWaker {
    /// Whether the body was woken since the last call.
    pub(crate) fn take_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Lets the body be polled in the next turn; its runner is awake already.
    pub(crate) fn set_woken(&self) {
        self.woken.store(true, Ordering::Release);
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Whom to wake from now on.
    pub(crate) fn set_runner(&self, waker: &Waker) {
        let mut runner = lock(&self.runner);
        if !runner.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *runner = Some(waker.clone());
        }
    }
}

impl Wake for BodyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let runner = lock(&self.runner).clone();
        if let Some(waker) = runner {
            waker.wake();
        }
    }
}
