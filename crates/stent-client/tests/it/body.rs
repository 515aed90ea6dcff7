//! A context that answers from a script: what a worker would do, as far as a body sees it.

use std::{
    any::TypeId,
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use stent_client::{
    ExecutionId, FunctionName, Outcome, Payload, SharedState, TaskId, TaskInfo, Timestamp, Uuid,
    context::{self, BodyContext, Request, StepStart},
};
use stent_core::{CallKey, CallPosition};

/// What a body did, and what it is told.
#[derive(Debug, Default)]
struct Script {
    next: u32,
    keyed: BTreeMap<CallKey, CallPosition>,
    begun: Vec<(u32, String)>,
    abandoned: Vec<u32>,
    recorded: BTreeMap<u32, Outcome>,
    /// Outcomes in the order in which the body is given them.
    order: VecDeque<(Target, Outcome)>,
    delivered: BTreeMap<u32, Outcome>,
    wakers: BTreeMap<u32, Waker>,
    steps_held: bool,
    random: u8,
    stop: bool,
    stop_waiters: usize,
    polls: usize,
}

/// Whose outcome it is.
#[derive(Debug)]
enum Target {
    At(u32),
    Key(CallKey),
}

#[derive(Debug, Default)]
pub(crate) struct Scripted(Mutex<Script>);

pub(crate) const FIRST_KEYED: u32 = 1_000;

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an outcome to the operation at a position, after those that were given before.
    pub(crate) fn deliver(&self, position: u32, outcome: Outcome) {
        self.script()
            .order
            .push_back((Target::At(position), outcome));
    }

    /// Gives a value to the operation with a key, after what was given before.
    pub(crate) fn complete_key<T: serde::Serialize>(&self, key: &str, value: &T) {
        let key = CallKey::new(key).unwrap();
        let outcome = Outcome::Completed(payload(value));
        self.script().order.push_back((Target::Key(key), outcome));
    }

    pub(crate) fn complete<T: serde::Serialize>(&self, position: u32, value: &T) {
        self.deliver(position, Outcome::Completed(payload(value)));
    }

    /// A step at this position was run before.
    pub(crate) fn record_step(&self, position: u32, outcome: Outcome) {
        self.script().recorded.insert(position, outcome);
    }

    pub(crate) fn hold_steps(&self, held: bool) {
        self.script().steps_held = held;
    }

    pub(crate) fn stop(&self) {
        self.script().stop = true;
    }

    /// How many wait to be asked to stop.
    pub(crate) fn stop_waiters(&self) -> usize {
        self.script().stop_waiters
    }

    /// What was begun: position, and what.
    pub(crate) fn begun(&self) -> Vec<(u32, String)> {
        self.script().begun.clone()
    }

    /// How often outcomes were asked for.
    pub(crate) fn polls(&self) -> usize {
        self.script().polls
    }

    pub(crate) fn abandoned(&self) -> Vec<u32> {
        self.script().abandoned.clone()
    }

    /// The outcome that a step handed in.
    pub(crate) fn handed_in(&self, position: u32) -> Option<Outcome> {
        self.script().delivered.get(&position).cloned()
    }

    /// Polls a body once, in this context.
    pub(crate) fn poll<F: Future>(self: &Arc<Self>, body: Pin<&mut F>) -> Poll<F::Output> {
        let _entered = context::enter(Arc::clone(self) as _);
        body.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Polls a body, and gives it one outcome after the other.
    pub(crate) fn run<F: Future>(self: &Arc<Self>, mut body: Pin<&mut F>) -> Poll<F::Output> {
        loop {
            if let Poll::Ready(output) = self.poll(body.as_mut()) {
                return Poll::Ready(output);
            }
            let waker = {
                let mut script = self.script();
                let Some((target, outcome)) = script.order.pop_front() else {
                    return Poll::Pending;
                };
                let position = match target {
                    Target::At(position) => position,
                    Target::Key(key) => script.keyed[&key].0,
                };
                script.delivered.insert(position, outcome);
                script.wakers.remove(&position)
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Runs a body that comes to its end.
    pub(crate) fn finish<F: Future>(self: &Arc<Self>, body: F) -> F::Output {
        match self.run(std::pin::pin!(body)) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the body waits for more: {:?}", self.begun()),
        }
    }
}

pub(crate) fn payload<T: serde::Serialize>(value: &T) -> Payload {
    Payload::encode(value, usize::MAX).unwrap()
}

fn describe(request: &Request) -> String {
    match request {
        Request::Child(task) => format!("{}({})", task.function, task.input.as_str()),
        Request::Step(name) => format!("step {name}"),
        Request::Sleep(span) => format!("sleep {span:?}"),
        Request::SleepUntil(at) => format!("sleep until {}", at.as_micros()),
        Request::Signal { name, timeout } => format!("signal {name} {timeout:?}"),
    }
}

impl BodyContext for Scripted {
    fn info(&self) -> TaskInfo {
        let id = Uuid::from_u128(7);
        TaskInfo::new(
            TaskId::from_uuid(id),
            ExecutionId::from_uuid(id),
            FunctionName::new("body").unwrap(),
            1,
        )
    }

    fn reserve(&self) -> CallPosition {
        let mut script = self.script();
        script.next += 1;
        CallPosition(script.next)
    }

    fn release(&self, position: CallPosition) {
        let mut script = self.script();
        if script.next == position.0 {
            script.next -= 1;
        }
    }

    fn begin(
        &self,
        position: CallPosition,
        key: Option<CallKey>,
        request: Request,
    ) -> CallPosition {
        let mut script = self.script();
        let position = match key {
            Some(key) => {
                let next = CallPosition(FIRST_KEYED + u32::try_from(script.keyed.len()).unwrap());
                *script.keyed.entry(key).or_insert(next)
            }
            None => position,
        };
        script.begun.push((position.0, describe(&request)));
        position
    }

    fn poll_outcome(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut script = self.script();
        script.polls += 1;
        if let Some(outcome) = script.delivered.get(&position.0) {
            return Poll::Ready(outcome.clone());
        }
        script.wakers.insert(position.0, cx.waker().clone());
        Poll::Pending
    }

    fn poll_step(&self, position: CallPosition, cx: &mut Context<'_>) -> Poll<StepStart> {
        let mut script = self.script();
        if let Some(outcome) = script.recorded.get(&position.0) {
            return Poll::Ready(StepStart::Recorded(outcome.clone()));
        }
        if script.steps_held {
            script.wakers.insert(position.0, cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(StepStart::Run)
    }

    fn finish_step(&self, position: CallPosition, outcome: Outcome) {
        self.script().delivered.insert(position.0, outcome);
    }

    fn abandon(&self, position: CallPosition) {
        self.script().abandoned.push(position.0);
    }

    fn now(&self) -> Timestamp {
        self.reserve();
        Timestamp::from_micros(5)
    }

    fn random(&self) -> [u8; 16] {
        self.reserve();
        let mut script = self.script();
        script.random += 1;
        [script.random; 16]
    }

    fn uuid(&self) -> [u8; 16] {
        self.reserve();
        [5; 16]
    }

    fn should_stop(&self) -> bool {
        self.script().stop
    }

    fn poll_stop(&self, waiter: &mut Option<u64>, _cx: &mut Context<'_>) -> Poll<()> {
        if waiter.is_none() {
            *waiter = Some(1);
            self.script().stop_waiters += 1;
        }
        if self.script().stop {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn forget_stop(&self, _waiter: u64) {
        self.script().stop_waiters -= 1;
    }

    fn payload_limit(&self) -> usize {
        100
    }

    fn state(&self, _type_id: TypeId) -> Option<SharedState> {
        None
    }
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Wakes(pub(crate) std::sync::atomic::AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}
