//! Runs one leased task: polls its body, delivers its history, writes what it asks for, and ends it.
//!
//! **Invariants**
//! * The body is polled only while its lease surely holds, and dropped when it no longer does.
//! * One commit of a task is on its way at a time; a child's end never waits for its parent's.
//! * What becomes of a task whose blocking body was told to stop is committed once its thread has ended, or its lease is about to: until then
//!   the task holds its slot.
//! * However a runner ends, its task is committed as ended, given back, suspended, or left to its lease.

mod blocking;
mod events;
mod reload;
mod rest;
mod write;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use stent_client::{
    Body, BodyFuture, FunctionDefinition,
    context::{self, TaskInfo},
};
use stent_core::{
    CallPosition, Epoch, Failure, FailureKind, HistoryEntry, Outcome, Payload, Task, TaskId,
    Timestamp,
    commit::{Assumed, Then},
    store::ClaimedTask,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    backoff::Backoff,
    committer::Batch,
    context::{BodyWaker, TaskContext},
    live::{Event, Handle},
    printable::Printable,
    replay::Replay,
    shared::{Promise, Shared},
};

/// Polls of one body in a row before others, and what came in for it, get their turn.
const POLLS_IN_A_ROW: u32 = 64;

/// How often a body that wakes itself is polled before it is given its next outcome all the same. By its own wakes `FuturesUnordered` says that it has
/// yet to poll others: those that are nested it polls by twos. So this is enough for some thirty thousand of them, and a body that spins until an
/// outcome comes is given it after some milliseconds.
const POLLS_BEFORE_OUTCOME: u32 = 16_384;

/// How long a task that was claimed ahead waits for its turn, before others get it: many times what such a wait takes while bodies start at the
/// rate that it was claimed for, and little beside a body that holds up the others.
const QUEUED_MAX: Duration = Duration::from_secs(1);

/// A commit that is on its way.
struct InFlight {
    number: u32,
    assumes: Vec<Assumed>,
    starting: BTreeMap<TaskId, (CallPosition, Payload)>,
    /// Keeps room for these.
    _promise: Option<Promise>,
    /// It gives the lease up, or ends the task: the body is not polled meanwhile.
    leaving: bool,
}

/// Whether a runner goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Go,
    Exit,
}

/// Runs one task under one lease.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    definition: &'static FunctionDefinition,
    task: Task,
    input: Payload,
    context: Arc<TaskContext>,
    waker: Arc<BodyWaker>,
    body: Option<BodyFuture>,
    /// A blocking body that was told to stop, until its thread has ended.
    winding_up: Option<BodyFuture>,
    permit: Option<OwnedSemaphorePermit>,
    /// It has not had its first permit yet.
    queued: bool,
    /// The body waits for a permit.
    wants_permit: bool,
    /// Its place among those who wait for a permit, which it keeps whatever it hears meanwhile.
    permit_queue: Option<BoxFuture<'static, Option<OwnedSemaphorePermit>>>,
    /// A suspect says so to the store before its body starts.
    to_announce: bool,
    commits: u32,
    in_flight: Option<InFlight>,
    /// Ends of children that were given to the body and go to the store with its next write.
    outbox: Batch,
    /// What becomes of the task, once nothing is on its way.
    verdict: Option<Then>,
    /// The outcome that was committed for the task, to tell its parent.
    outcome: Option<Outcome>,
    /// The body saw something that was not recorded so: it is begun anew.
    stale: bool,
    /// The store came back without its newest transactions: what the body did since the last commit that counts is forgotten.
    is_of_other_epoch: bool,
    /// Polls since its last outcome after which the body had woken itself.
    restless: u32,
    /// It was told that its task is to be cancelled.
    cancel_requested: bool,
    /// It was told to stop when there was nothing to stop but a commit on its way.
    stop_requested: bool,
    /// Between tries to read its history anew.
    rereads: Backoff<Arc<Shared>>,
    claimed_at: Duration,
    last_moved: Duration,
    /// Not suspended before this instant.
    suspend_from: Duration,
    attempt_ends: Option<Duration>,
    next_wake: Option<Timestamp>,
}

/// Starts a task that was claimed in an epoch of the store. `sent` is when the claim was sent, by the holder's clock.
pub(crate) fn spawn(shared: &Arc<Shared>, claimed: ClaimedTask, epoch: Epoch, sent: Duration) {
    let Some(definition) = shared.registry.get(&claimed.task.function) else {
        tracing::error!(task = %claimed.task.id, function = %claimed.task.function, "the store handed out a function that this worker does not have; the lease is left to run out");
        return;
    };
    let handle = Handle::new(
        claimed.task.id,
        claimed.task.fence,
        epoch,
        sent,
        shared.settings.lease.hold_for(),
    );
    shared.live.add(&handle);
    shared.stats.claimed(1);
    shared.queued.fetch_add(1, Ordering::AcqRel);
    let runner = Runner::new(Arc::clone(shared), handle, definition, claimed);
    if runner.to_announce {
        // Before the next claim is made.
        shared.suspect_runs.store(true, Ordering::Release);
    }
    let running: BoxFuture<'static, ()> = Box::pin(runner.run());
    tokio::spawn(running);
}

impl Runner {
    fn new(
        shared: Arc<Shared>,
        handle: Arc<Handle>,
        definition: &'static FunctionDefinition,
        claimed: ClaimedTask,
    ) -> Self {
        let task = claimed.task;
        let context = new_context(&shared, &handle, &task, claimed.history);
        // One that was suspended goes on with what is left of its time.
        let left = |ends: Timestamp| ends.since(shared.store_now());
        let attempt_ends = task
            .attempt_ends
            .map(|ends| shared.clock.now().saturating_add(left(ends)));
        Self {
            handle,
            definition,
            input: claimed.input,
            context,
            waker: Arc::new(BodyWaker::default()),
            body: None,
            winding_up: None,
            permit: None,
            queued: true,
            wants_permit: true,
            permit_queue: None,
            to_announce: task.crashes.is_suspect(),
            commits: 0,
            in_flight: None,
            outbox: Batch::default(),
            verdict: None,
            outcome: None,
            stale: false,
            is_of_other_epoch: false,
            restless: 0,
            cancel_requested: false,
            stop_requested: false,
            rereads: Backoff::new(Arc::clone(&shared)),
            claimed_at: shared.clock.now(),
            last_moved: shared.clock.now(),
            suspend_from: Duration::ZERO,
            attempt_ends,
            next_wake: None,
            task,
            shared,
        }
    }

    async fn run(mut self) {
        self.start_body();
        while self.step().await == Flow::Go {}
        self.leave().await;
    }

    /// One round: what came in, what the body does with it, what goes out, and the wait for more.
    async fn step(&mut self) -> Flow {
        if self.hear().await == Flow::Exit {
            return Flow::Exit;
        }
        if self.look_at_the_time() == Flow::Exit {
            return Flow::Exit;
        }
        self.wind_up();
        if self.waits_in_vain() && self.verdict.is_none() {
            self.decide(Then::Release);
        }
        if self.stale && self.in_flight.is_none() && self.reload().await == Flow::Exit {
            return Flow::Exit;
        }
        if self.may_poll() {
            self.turn().await;
        }
        self.flush().await;
        self.wait().await;
        Flow::Go
    }

    /// Whether its turn will not come here, or not soon: another worker may be free.
    fn waits_in_vain(&self) -> bool {
        let is_full = || self.shared.permits.available_permits() == 0;
        let is_late = || self.shared.clock.now() >= self.queued_until();
        self.queued && (self.shared.is_draining() || (is_late() && is_full()))
    }

    /// Until when it waits for its first permit.
    fn queued_until(&self) -> Duration {
        self.claimed_at.saturating_add(QUEUED_MAX)
    }

    /// Takes what came in, until there is enough to be sent on.
    async fn hear(&mut self) -> Flow {
        while !self.outbox.is_full()
            && let Some(event) = self.handle.take()
        {
            if self.on_event(event).await == Flow::Exit {
                return Flow::Exit;
            }
        }
        Flow::Go
    }

    fn may_poll(&self) -> bool {
        self.body.is_some()
            && !self.to_announce
            && !self.stale
            && self.verdict.is_none()
            && !self.in_flight.as_ref().is_some_and(|commit| commit.leaving)
    }

    fn start_body(&mut self) {
        let input = self.input.clone();
        let future = match self.definition.body {
            Body::Async(run) => {
                let _entered = context::enter(Arc::clone(&self.context) as _);
                match catch_unwind(AssertUnwindSafe(|| run(input))) {
                    Ok(future) => future,
                    Err(panic) => {
                        let failure = failure_of(panic);
                        futures_util::future::ready(Err(failure)).boxed()
                    }
                }
            }
            Body::Blocking(run) => blocking::run(run, input, Arc::clone(&self.context)),
        };
        self.body = Some(future);
        self.waker.set_woken();
    }

    /// Polls the body until it has nothing to do with what is known.
    async fn turn(&mut self) {
        for _ in 0..POLLS_IN_A_ROW {
            if self.waker.is_woken() {
                if !self.take_permit() {
                    return;
                }
                if self.shared.clock.now() >= self.handle.hold_until() {
                    // Still woken: it is polled next if a renewal is answered before the runner looks again.
                    return;
                }
                self.waker.take_woken();
                self.last_moved = self.shared.clock.now();
                if let Some(result) = self.poll_body() {
                    self.ended(result);
                    return;
                }
                if self.context.is_interrupted() {
                    self.decide(Then::Release);
                    return;
                }
                let mismatch = self.context.replay().mismatch(false);
                if let Some(mismatch) = mismatch {
                    self.fail(Failure::from_error(FailureKind::HistoryMismatch, &mismatch));
                    return;
                }
            }
            if self.is_restless() {
                continue;
            }
            if !self.deliver_next() && !self.waker.is_woken() {
                break;
            }
        }
        if self.waker.is_woken() {
            // It goes on in the next round: what came in meanwhile, and its own writes, have their turn.
            tokio::task::yield_now().await;
        }
        let seen = self.context.replay().known_without_gap();
        self.handle.set_seen(seen);
    }

    /// Whether the body has something to do before its next outcome: it woke itself. If it were given the outcome first, what it does would depend on
    /// when that came, and a replay would differ.
    fn is_restless(&mut self) -> bool {
        let is_restless = self.waker.is_woken() && self.restless < POLLS_BEFORE_OUTCOME;
        self.restless = if is_restless { self.restless + 1 } else { 0 };
        is_restless
    }

    /// Gives the body its next outcome. What its history does not hold may have come by time, once the body has asked for it.
    fn deliver_next(&mut self) -> bool {
        let mut replay = self.context.replay();
        if replay.deliver_next() {
            return true;
        }
        self.next_wake = replay.fire(self.shared.store_now());
        replay.deliver_next()
    }

    fn poll_body(&mut self) -> Option<Result<Payload, Failure>> {
        let body = self.body.as_mut()?;
        let waker = Waker::from(Arc::clone(&self.waker));
        let _entered = context::enter(Arc::clone(&self.context) as _);
        let poll = || body.as_mut().poll(&mut Context::from_waker(&waker));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Ready(result)) => Some(result),
            Ok(Poll::Pending) => None,
            Err(panic) => Some(Err(failure_of(panic))),
        }
    }

    /// Takes a permit if one is free; else the body waits for one.
    fn take_permit(&mut self) -> bool {
        if self.permit.is_none() {
            let first = self.permit_queue.as_mut();
            self.permit = first.and_then(|queue| queue.now_or_never()).flatten();
        }
        if self.permit.is_none() {
            self.permit = Arc::clone(&self.shared.permits).try_acquire_owned().ok();
        }
        self.wants_permit = self.permit.is_none();
        if !self.wants_permit {
            self.permit_queue = None;
        }
        if self.permit.is_some() && std::mem::take(&mut self.queued) {
            self.begins();
        }
        !self.wants_permit
    }

    /// The body is polled for the first time.
    fn begins(&mut self) {
        self.shared.queued.fetch_sub(1, Ordering::AcqRel);
        self.shared.started.fetch_add(1, Ordering::Relaxed);
        self.shared.more_room();
        if self.attempt_ends.is_none() {
            let timeout = self.task.timeout.or(self.definition.timeout);
            self.attempt_ends = timeout.map(|span| self.shared.clock.now().saturating_add(span));
        }
    }

    /// The body returned, or panicked.
    fn ended(&mut self, result: Result<Payload, Failure>) {
        self.drop_body();
        let mismatch = self.context.replay().mismatch(true);
        if let Some(mismatch) = mismatch {
            self.fail(Failure::from_error(FailureKind::HistoryMismatch, &mismatch));
            return;
        }
        match result {
            Ok(value) => self.decide(Then::End(Outcome::Completed(value))),
            Err(failure) if self.context.is_due_to_drain(&failure) => self.decide(Then::Release),
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: Failure) {
        tracing::warn!(task = %self.task.id, function = %self.task.function, attempt = self.task.attempt(), kind = %failure.kind(), "an attempt failed: {}", Printable(&failure));
        let then = Then::Fail {
            failure,
            policy: self.definition.retry,
            random: self.shared.random_u32(),
        };
        self.decide(then);
    }

    /// Says what becomes of the task. A body that is still there is stopped.
    fn decide(&mut self, then: Then) {
        let blocks = matches!(self.definition.body, Body::Blocking(_)) && !self.queued;
        if blocks && let Some(body) = self.body.take() {
            self.winding_up = Some(body);
            self.context.give_up();
            self.handle.renew_no_more();
            self.waker.set_woken();
        }
        self.drop_body();
        if self.verdict.is_none() {
            self.verdict = Some(then);
        }
    }

    /// Looks whether the thread of a blocking body that was told to stop has ended.
    fn wind_up(&mut self) {
        let Some(body) = self.winding_up.as_mut() else {
            return;
        };
        let waker = Waker::from(Arc::clone(&self.waker));
        let ended = self.waker.take_woken()
            && body
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready();
        let out_of_time = self.shared.clock.now() >= self.handle.hold_until();
        if out_of_time && !ended {
            tracing::warn!(task = %self.task.id, function = %self.task.function, "a blocking body was told to stop and has not by the end of its lease; its thread goes on until it asks `is_cancelled`");
        }
        if ended || out_of_time {
            self.winding_up = None;
        }
    }

    /// Drops the body, which may panic in doing so. Its permit goes with the verdict.
    fn drop_body(&mut self) {
        let body = self.body.take();
        if body.is_some() {
            // A blocking one that has not begun never will.
            self.context.give_up();
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            tracing::warn!(task = %self.task.id, function = %self.task.function, "dropping a body panicked: {}", Printable(failure_of(panic)));
        }
    }

    fn free_permit(&mut self) {
        if self.permit.take().is_some() {
            self.shared.more_room();
        }
    }

    /// Stops the body when its lease ends, or its time is up.
    fn look_at_the_time(&mut self) -> Flow {
        if self.body.is_none() {
            return Flow::Go;
        }
        let now = self.shared.clock.now();
        if now >= self.handle.hold_until() {
            tracing::warn!(task = %self.task.id, function = %self.task.function, "the lease of a task could not be renewed in time; its body is stopped, and it runs again elsewhere");
            self.shared.stats.lease_lost();
            return Flow::Exit;
        }
        if self.attempt_ends.is_some_and(|ends| ends <= now) {
            let timeout = self.task.timeout.or(self.definition.timeout);
            let message = format!(
                "an attempt took longer than its timeout of {:?}",
                timeout.unwrap_or_default()
            );
            self.fail(Failure::new(FailureKind::Timeout, message));
        } else if self.task.is_overdue(self.shared.store_now()) {
            let failure = Failure::new(
                FailureKind::Deadline,
                "its deadline passed before it had ended",
            );
            self.decide(Then::End(Outcome::TimedOut(failure)));
        }
        Flow::Go
    }

    /// Tells who has to know: children's ends are sent on, the parent hears that its child has left.
    async fn leave(&mut self) {
        self.drop_body();
        self.free_permit();
        self.send_outbox().await;
        for event in self.handle.close() {
            if let Event::ChildEnded(child) = event {
                self.shared.commits.submit(child.parts).await;
            }
        }
        if let Some(link) = self.task.parent
            && let Some(parent) = self.shared.live.get(link.task)
        {
            parent.tell(Event::ChildLeft {
                position: link.position,
            });
        }
    }
}

/// Lets go of the task however its runner ends, also by a panic: a worker neither renews nor counts what it no longer runs.
impl Drop for Runner {
    fn drop(&mut self) {
        self.winding_up = None;
        self.drop_body();
        self.permit = None;
        self.permit_queue = None;
        self.shared.live.remove(&self.handle);
        for event in self.handle.close() {
            // Only a panic leaves one here. Its child waits for an answer, and goes on elsewhere when its lease ends.
            if let Event::ChildEnded(child) = event {
                child
                    .parts
                    .iter()
                    .for_each(|part| part.handle.tell(Event::LeaseLost));
            }
        }
        self.count_parked(false);
        if self.task.crashes.is_suspect() {
            self.shared.suspect_runs.store(false, Ordering::Release);
        }
        if std::mem::take(&mut self.queued) {
            self.shared.queued.fetch_sub(1, Ordering::AcqRel);
        }
        self.shared.more_room();
        if self.shared.live.len() == 0 {
            self.shared.idle.notify_one();
        }
    }
}

fn new_context(
    shared: &Arc<Shared>,
    handle: &Arc<Handle>,
    task: &Task,
    history: Vec<HistoryEntry>,
) -> Arc<TaskContext> {
    let info = TaskInfo::new(
        task.id,
        task.execution,
        task.function.clone(),
        task.attempt(),
    );
    let replay = Replay::new(task.function.clone(), history);
    TaskContext::new(info, Arc::clone(shared), Arc::clone(handle), replay)
}

/// What a panic said. Its value is dropped here, which may panic again.
fn failure_of(panic: Box<dyn std::any::Any + Send>) -> Failure {
    let failure = panicked(&*panic);
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    failure
}

/// What a panic said.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with something that is no text".to_owned());
    Failure::new(
        FailureKind::Panic,
        format!("the function panicked: {message}"),
    )
}
