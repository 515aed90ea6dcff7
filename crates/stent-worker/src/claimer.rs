//! Claims tasks as there is room for them: for free permits, and some ahead, as many as the worker starts in a moment.
//!
//! **Invariant:** none of a limited function is claimed ahead: a slot that is held and not used is a slot lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use stent_core::{
    Epoch, FunctionName, Hint, StoreError, Timestamp,
    claim::Demand,
    defaults,
    lease::LeaseTerms,
    store::{ClaimAnswer, ClaimRequest, HintStream},
};

use crate::{
    backoff::Backoff,
    runner,
    shared::{Room, Shared},
    worker::declare,
};

/// The moment for which tasks are claimed ahead: some round trips to the store.
const AHEAD: Duration = Duration::from_millis(50);
/// The most poll intervals from one claim to the next.
const LONGEST_REST: f64 = 1.1;
/// At most this long after a lease or a deadline passed a worker looks, at a random moment: enough that a fleet doesn't come as one, little
/// beside a lease. It is also the least from one such look to the next.
const SWEEP_SPREAD: Duration = Duration::from_millis(100);

/// What the claimer knows between two claims.
struct Claimer {
    shared: Arc<Shared>,
    all: Vec<FunctionName>,
    unlimited: Vec<FunctionName>,
    rotation: u32,
    /// The last claim of all functions found less than it asked for: there is nothing more before something happens.
    exhausted: bool,
    /// So did the last claim of those that are not limited.
    unlimited_exhausted: bool,
    /// The last claim took no suspect, because one runs here.
    without_suspects: bool,
    /// The last claim took a suspect, and so nothing else.
    took_suspect: bool,
    next_due: Option<Timestamp>,
    next_sweep: Option<Timestamp>,
    started: u64,
    measured_at: Duration,
}

/// How many tasks to claim.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Of all functions, or of those that are not limited if there are no others.
    first: u32,
    /// Of those that are not limited, besides.
    ahead: u32,
}

/// Runs until the worker drains.
pub(crate) async fn run(shared: Arc<Shared>) {
    let names = |limited: bool| {
        shared
            .registry
            .all()
            .filter(|function| limited || function.limit.is_none())
            .map(|function| function.name.clone())
            .collect()
    };
    let mut claimer = Claimer {
        all: names(true),
        unlimited: names(false),
        rotation: shared.random_u32(),
        exhausted: false,
        unlimited_exhausted: false,
        without_suspects: false,
        took_suspect: false,
        next_due: None,
        next_sweep: None,
        started: 0,
        measured_at: shared.clock.now(),
        shared: Arc::clone(&shared),
    };
    let hints = Arc::new(Hints::default());
    let _listener = Attached(tokio::spawn(listen(
        Arc::clone(&shared),
        Arc::clone(&hints),
        shared.store.hints(),
    )));
    let mut backoff = Backoff::new(&*shared);
    while !shared.is_draining() {
        let seen = hints.count();
        match claimer.claim().await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::warn!(%error, "cannot claim; trying again");
                shared.stats.store_failed();
                wait_unless_draining(&shared, backoff.step()).await;
                continue;
            }
        }
        claimer.rest(&hints, seen).await;
    }
}

async fn wait_unless_draining(shared: &Shared, span: Duration) {
    let timer = tokio::time::sleep(span);
    tokio::pin!(timer);
    while !shared.is_draining() {
        tokio::select! {
            biased;
            () = &mut timer => return,
            () = shared.claimer.notified() => {}
        }
    }
}

/// A task that ends with this value.
struct Attached(tokio::task::JoinHandle<()>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Claimer {
    /// Claims for what is free now, and then ahead. The room is kept meanwhile, so that parents start no children in it.
    async fn claim(&mut self) -> Result<(), StoreError> {
        self.measure();
        let shared = Arc::clone(&self.shared);
        let (wanted, mut promise) = shared.promise(|room| {
            let wanted = self.wanted(room);
            (wanted, wanted.first.saturating_add(wanted.ahead))
        });
        (self.exhausted, self.unlimited_exhausted) = (false, false);
        (self.next_due, self.next_sweep) = (None, None);
        let mut found = 0;
        if wanted.first > 0 || wanted.ahead == 0 {
            found = self.claim_of(self.all.clone(), wanted.first).await?;
            // A suspect is claimed alone, whatever else is due.
            self.exhausted = found < wanted.first && !self.took_suspect;
            self.unlimited_exhausted = self.exhausted;
        }
        if wanted.ahead > 0 && found == wanted.first {
            promise.shrink_to(wanted.ahead);
            let found = self.claim_of(self.unlimited.clone(), wanted.ahead).await?;
            self.unlimited_exhausted = found < wanted.ahead && !self.took_suspect;
        }
        Ok(())
    }

    fn wanted(&self, Room { now, ahead }: Room) -> Wanted {
        let all_unlimited = self.unlimited.len() == self.all.len();
        let first = if all_unlimited {
            now.saturating_add(ahead)
        } else {
            now
        };
        let apart = !all_unlimited && !self.unlimited.is_empty();
        Wanted {
            first: first.min(defaults::CLAIM_BATCH),
            ahead: if apart { ahead } else { 0 }.min(defaults::CLAIM_BATCH),
        }
    }

    /// Claims of some functions. In another epoch the store may not know their limits and hands out nothing: they are declared again, and claimed once more.
    async fn claim_of(
        &mut self,
        functions: Vec<FunctionName>,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let shared = Arc::clone(&self.shared);
        let (found, epoch) = self.claim_once(functions.clone(), limit).await?;
        if epoch == shared.epoch() {
            return Ok(found);
        }
        tracing::warn!(
            "the store came back without its newest transactions; the worker declares its functions again"
        );
        declare(&shared).await?;
        let (again, _) = self
            .claim_once(functions, limit.saturating_sub(found))
            .await?;
        Ok(found.saturating_add(again))
    }

    /// Claims, and starts what was claimed. Answers how many that are, and the store's epoch.
    async fn claim_once(
        &mut self,
        functions: Vec<FunctionName>,
        limit: u32,
    ) -> Result<(u32, Epoch), StoreError> {
        let shared = &self.shared;
        self.rotation = self.rotation.wrapping_add(1);
        self.without_suspects = shared.suspect_runs.load(Ordering::Acquire);
        let request = ClaimRequest {
            terms: LeaseTerms {
                holder: shared.settings.name.clone(),
                mark: shared.new_mark(),
                duration: shared.settings.lease,
            },
            functions,
            queues: shared.settings.queues.clone(),
            demand: Demand {
                limit,
                rotation: self.rotation,
                accept_suspect: !self.without_suspects,
            },
            crash_limit: shared.settings.crash_limit,
            look_ahead: shared.settings.poll_interval.mul_f64(LONGEST_REST),
            epoch: Some(shared.epoch()),
        };
        let sent = shared.clock.now();
        let answer = shared.store.claim(request).await?;
        shared.heard(answer.now);
        self.next_due = earliest(self.next_due, answer.next_due);
        self.next_sweep = earliest(self.next_sweep, answer.next_sweep);
        self.took_suspect = answer
            .tasks
            .iter()
            .any(|claimed| claimed.task.crashes.is_suspect());
        let found = u32::try_from(answer.tasks.len()).unwrap_or(u32::MAX);
        let epoch = answer.epoch;
        self.start(answer, sent);
        Ok((found, epoch))
    }

    fn start(&self, answer: ClaimAnswer, sent: Duration) {
        for stolen in &answer.stolen {
            tracing::warn!(task = %stolen.task, from = %stolen.from, crashes = stolen.crashes, "took a task from a worker whose lease ran out");
        }
        self.shared.stats.stole(answer.stolen.len());
        if self.shared.clock.now() >= sent.saturating_add(self.shared.settings.lease.hold_for()) {
            tracing::warn!(
                tasks = answer.tasks.len(),
                "a claim took longer than its lease; its tasks are left to others"
            );
            return;
        }
        for claimed in answer.tasks {
            runner::spawn(&self.shared, claimed, answer.epoch, sent);
        }
    }

    /// Follows how fast bodies start: what is claimed ahead is what starts in a moment.
    fn measure(&mut self) {
        let now = self.shared.clock.now();
        let span = now.saturating_sub(self.measured_at);
        if span < AHEAD / 4 {
            return;
        }
        let started = self.shared.started.load(Ordering::Relaxed);
        let rate = (started.saturating_sub(self.started)) as f64 / span.as_secs_f64();
        let ahead = (rate * AHEAD.as_secs_f64()).min(f64::from(self.shared.settings.prefetch));
        self.shared.prefetch.store(ahead as u32, Ordering::Release);
        self.started = started;
        self.measured_at = now;
    }

    /// Waits until a claim is worth its while: there is room and may be work, or it is time to look.
    async fn rest(&mut self, hints: &Hints, seen: u64) {
        let shared = &self.shared;
        let poll = shared.settings.poll_interval;
        // Spread over the fleet, so that idle workers don't come all at once.
        let jitter = f64::from(shared.random_u32()) / f64::from(u32::MAX);
        let mut span = poll.mul_f64(LONGEST_REST - 0.2 * jitter);
        if let Some(due) = self.next_due {
            span = span.min(due.since(shared.store_now()).max(Duration::from_millis(1)));
        }
        if let Some(passes) = self.next_sweep {
            span = span.min(until_sweep(passes.since(shared.store_now()), poll, jitter));
        }
        let timer = tokio::time::sleep(span);
        tokio::pin!(timer);
        loop {
            let room = shared.room();
            let (for_now, for_later) = (
                room.now > 0,
                room.ahead > shared.prefetch.load(Ordering::Acquire) / 2,
            );
            let suspects_may_come =
                self.without_suspects && !shared.suspect_runs.load(Ordering::Acquire);
            let news = suspects_may_come || hints.count() != seen;
            let wanted = (for_now && (news || !self.exhausted))
                || (for_later && (news || !self.unlimited_exhausted));
            if shared.is_draining() || wanted {
                return;
            }
            tokio::select! {
                biased;
                () = shared.claimer.notified() => {}
                () = &mut timer => return,
            }
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// How long to wait for a lease or a deadline that passes after a span. All of a fleet know of it and one of them is enough, so each comes at a
/// random moment within the spread, and leases that run out one after another cost no look each.
fn until_sweep(span: Duration, poll: Duration, jitter: f64) -> Duration {
    let spread = SWEEP_SPREAD.min(poll / 10);
    span.max(spread).saturating_add(spread.mul_f64(jitter))
}

/// How many hints there were that a claim may follow.
#[derive(Debug, Default)]
struct Hints(AtomicU64);

impl Hints {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Passes hints on: to the claimer, to the tasks that wait here.
async fn listen(shared: Arc<Shared>, hints: Arc<Hints>, stream: HintStream) {
    let mut stream = stream;
    while let Some(hint) = stream.next().await {
        match hint {
            Hint::Due { queue, .. } => {
                let queues = &shared.settings.queues;
                if queues.as_ref().is_none_or(|queues| queues.contains(&queue)) {
                    wake(&shared, &hints);
                }
            }
            Hint::SlotFreed { function } => {
                if shared.registry.get(&function).is_some() {
                    wake(&shared, &hints);
                }
            }
            Hint::Delivered { task, newest } => {
                if shared
                    .live
                    .get(task)
                    .is_some_and(|handle| handle.seen() < newest)
                {
                    shared.news.want(task);
                }
            }
            Hint::CancelRequested { task } => {
                if shared.live.get(task).is_some() {
                    shared.news.doubt(task);
                }
            }
            Hint::Ended { .. } => {}
            Hint::Anything => {
                wake(&shared, &hints);
                shared.want_all_news();
            }
        }
    }
}

fn wake(shared: &Shared, hints: &Hints) {
    hints.0.fetch_add(1, Ordering::AcqRel);
    shared.claimer.notify_one();
}
