//! What all parts of one worker share: its settings, its functions, the store, its clock, and what is going on.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stent_core::{
    ClaimMark, Epoch, QueueName, Store, Timestamp, WorkerName, lease::LeaseDuration,
    store::WorkerReport,
};
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    clock::{Entropy, HolderClock, StoreTime},
    committer::CommitQueue,
    context::lock,
    live::{Event, Live},
    news::News,
    printable::Printable,
    registry::Registry,
    runner::panicked,
    stats::Stats,
};

/// What was set for a worker, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: WorkerName,
    pub(crate) lease: LeaseDuration,
    pub(crate) renew: bool,
    pub(crate) renew_on_own_thread: bool,
    pub(crate) concurrency: u32,
    pub(crate) prefetch: u32,
    pub(crate) parked: u32,
    pub(crate) queues: Option<Vec<QueueName>>,
    pub(crate) poll_interval: Duration,
    pub(crate) suspend_after: Duration,
    pub(crate) drain_grace: Duration,
    pub(crate) cleanup_interval: Option<Duration>,
    pub(crate) retention_period: Duration,
    pub(crate) crash_limit: NonZeroU32,
    pub(crate) payload_limit: usize,
}

/// Shared by all parts of a worker.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn HolderClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) store_time: StoreTime,
    pub(crate) live: Live,
    pub(crate) commits: CommitQueue,
    pub(crate) news: News,
    /// One permit for each body that may run at once.
    pub(crate) permits: Arc<Semaphore>,
    /// Runners that have not had their first permit yet.
    pub(crate) queued: AtomicUsize,
    /// Tasks that claims on their way ask for, and children that commits on their way ask to have started here.
    promised: AtomicUsize,
    /// Held while room is looked at and promised.
    promising: Mutex<()>,
    /// Runners that wait for something that happens outside their body.
    pub(crate) parked: AtomicUsize,
    /// Bodies started since the worker started.
    pub(crate) started: AtomicU64,
    /// Whether a suspect runs here.
    pub(crate) suspect_runs: AtomicBool,
    /// Told when there is room for more, or when there may be work.
    pub(crate) claimer: Notify,
    /// Told when the last runner ended.
    pub(crate) idle: Notify,
    pub(crate) draining: AtomicBool,
    /// The store's epoch in which its functions were declared.
    epoch: AtomicU64,
    /// A part of the worker that ended although it must not.
    pub(crate) broken: watch::Sender<Option<&'static str>>,
    /// How many tasks a claim may take ahead of free permits.
    pub(crate) prefetch: AtomicU32,
    pub(crate) stats: Stats,
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        settings: Settings,
        registry: Registry,
        commits: CommitQueue,
        clock: Arc<dyn HolderClock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let permits = usize::try_from(settings.concurrency).unwrap_or(usize::MAX);
        Self {
            store,
            settings,
            registry,
            clock,
            entropy,
            store_time: StoreTime::default(),
            live: Live::default(),
            commits,
            news: News::default(),
            permits: Arc::new(Semaphore::new(permits)),
            queued: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            promising: Mutex::new(()),
            parked: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            suspect_runs: AtomicBool::new(false),
            claimer: Notify::new(),
            idle: Notify::new(),
            draining: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            broken: watch::Sender::new(None),
            prefetch: AtomicU32::new(0),
            stats: Stats::default(),
        }
    }

    /// The store's time, as far as is known without asking.
    pub(crate) fn store_now(&self) -> Timestamp {
        self.store_time.now(&*self.clock)
    }

    /// The store answered with its time just now.
    pub(crate) fn heard(&self, now: Timestamp) {
        self.store_time.heard(now, self.clock.now());
    }

    /// A part of the worker ended by a panic.
    pub(crate) fn part_ended(&self, part: &'static str, panic: &(dyn std::any::Any + Send)) {
        tracing::error!("the worker's {part} ended: {}", Printable(panicked(panic)));
        self.broken.send_replace(Some(part));
    }

    /// Takes nothing more, and leaves what is leased to others: nothing can be committed any more.
    pub(crate) fn give_up(&self) {
        self.draining.store(true, Ordering::Release);
        self.claimer.notify_one();
        for handle in self.live.all() {
            handle.tell(Event::LeaseLost);
        }
    }

    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    pub(crate) fn random_u32(&self) -> u32 {
        u32::from_ne_bytes(self.random_bytes())
    }

    pub(crate) fn new_mark(&self) -> ClaimMark {
        ClaimMark(i64::from_ne_bytes(self.random_bytes()))
    }

    /// The store's epoch in which the worker's functions were declared.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// The worker's functions were declared in this epoch of the store. What was claimed in another one is given back.
    pub(crate) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
        for handle in self.live.all() {
            handle.tell_epoch(epoch);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// How many more tasks can be taken now: those that start at once, and those that are claimed ahead.
    pub(crate) fn room(&self) -> Room {
        let promised = self.promised.load(Ordering::Acquire);
        let queued = self.queued.load(Ordering::Acquire).saturating_add(promised);
        let now = self.permits.available_permits().saturating_sub(queued);
        let ahead = usize::try_from(self.prefetch.load(Ordering::Acquire))
            .unwrap_or(usize::MAX)
            .saturating_sub(queued);
        Room {
            now: u32::try_from(now).unwrap_or(u32::MAX),
            ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
        }
    }

    /// Gives out room: `take` is told how much there is, and answers how much of it is taken until the promise is dropped. Of many who ask at
    /// once each sees what is left by the others.
    pub(crate) fn promise<T>(
        self: &Arc<Self>,
        take: impl FnOnce(Room) -> (T, u32),
    ) -> (T, Promise) {
        let _alone = lock(&self.promising);
        let (answer, count) = take(self.room());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.promised.fetch_add(count, Ordering::AcqRel);
        let shared = Arc::clone(self);
        (answer, Promise { shared, count })
    }

    /// A body ended or waits: if that makes room, the claimer looks for more.
    pub(crate) fn more_room(&self) {
        let room = self.room();
        let prefetch = self.prefetch.load(Ordering::Acquire);
        if room.now > 0 || room.ahead > prefetch / 2 {
            self.claimer.notify_one();
        }
    }

    /// Asks for the news of every task that waits here.
    pub(crate) fn want_all_news(&self) {
        for handle in self.live.all() {
            if handle.expects() {
                self.news.want(handle.task);
            }
        }
    }

    pub(crate) fn report(&self) -> WorkerReport {
        WorkerReport {
            name: self.settings.name.clone(),
            capacity: self.settings.concurrency,
            leased: u32::try_from(self.live.len()).unwrap_or(u32::MAX),
            draining: self.is_draining(),
        }
    }
}

/// Room that is kept for tasks until they are here, or are known not to come.
pub(crate) struct Promise {
    shared: Arc<Shared>,
    count: usize,
}

impl Promise {
    /// Gives back what is more than this.
    pub(crate) fn shrink_to(&mut self, count: u32) {
        let left = usize::try_from(count).unwrap_or(usize::MAX);
        let given_back = self.count.saturating_sub(left);
        self.count = self.count.min(left);
        if given_back > 0 {
            self.shared.promised.fetch_sub(given_back, Ordering::AcqRel);
            self.shared.more_room();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// How many more tasks a worker can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// That start at once.
    pub(crate) now: u32,
    /// That wait here for their turn.
    pub(crate) ahead: u32,
}
