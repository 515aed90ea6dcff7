//! How a worker is set up: every option with its default, and what is refused.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use stent_client::{FunctionDefinition, SharedState};
use stent_core::{NameError, QueueName, Store, WorkerName, defaults, lease::LeaseDuration};
use tokio::sync::Semaphore;

use crate::{
    Worker, WorkerError,
    clock::{Entropy, HolderClock, MachineClock, MachineEntropy},
    committer::CommitQueue,
    registry::Registry,
    shared::{Settings, Shared},
    worker::{EndRequests, launch},
};

/// Sets a worker up. Every option has a default; what is impossible is refused by [`WorkerBuilder::start`].
///
/// | option | default |
/// |---|---|
/// | [`lease_duration`](Self::lease_duration) | 5 minutes |
/// | [`cleanup_interval`](Self::cleanup_interval) | 1 hour; `None` turns cleanup off |
/// | [`retention_period`](Self::retention_period) | 7 days |
/// | [`concurrency`](Self::concurrency) | 256 bodies at once |
/// | [`queues`](Self::queues) | all |
/// | [`poll_interval`](Self::poll_interval) | 1 s, when no hint comes |
/// | [`suspend_after`](Self::suspend_after) | 5 s of waiting |
/// | [`drain_grace`](Self::drain_grace) | 30 s |
/// | [`crash_limit`](Self::crash_limit) | 5 |
/// | [`payload_limit`](Self::payload_limit) | 4 MiB |
#[must_use = "a worker does nothing before it is started"]
pub struct WorkerBuilder {
    store: Arc<dyn Store>,
    functions: Vec<&'static FunctionDefinition>,
    states: HashMap<TypeId, SharedState>,
    name: Option<String>,
    lease: Duration,
    renew: bool,
    renew_on_own_thread: bool,
    concurrency: u32,
    prefetch: u32,
    parked: u32,
    queues: Option<Vec<String>>,
    poll_interval: Duration,
    suspend_after: Duration,
    drain_grace: Duration,
    cleanup_interval: Option<Duration>,
    retention_period: Duration,
    crash_limit: u32,
    payload_limit: usize,
    clock: Arc<dyn HolderClock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("store", &self.store)
            .field("functions", &self.functions.len())
            .finish_non_exhaustive()
    }
}

impl WorkerBuilder {
    /// A worker on a store, with the defaults and without functions.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            functions: Vec::new(),
            states: HashMap::new(),
            name: None,
            lease: defaults::LEASE_DURATION,
            renew: true,
            renew_on_own_thread: true,
            concurrency: defaults::CONCURRENCY,
            prefetch: defaults::PREFETCH_MAX,
            parked: defaults::PARKED_MAX,
            queues: None,
            poll_interval: defaults::POLL_INTERVAL,
            suspend_after: defaults::SUSPEND_AFTER,
            drain_grace: defaults::DRAIN_GRACE,
            cleanup_interval: Some(defaults::CLEANUP_INTERVAL),
            retention_period: defaults::RETENTION_PERIOD,
            crash_limit: defaults::CRASH_LIMIT,
            payload_limit: defaults::PAYLOAD_MAX_BYTES,
            clock: Arc::new(MachineClock),
            entropy: Arc::new(MachineEntropy),
        }
    }

    /// Adds functions, as `functions![..]` lists them. The worker claims only what it has.
    pub fn register(
        mut self,
        functions: impl IntoIterator<Item = &'static FunctionDefinition>,
    ) -> Self {
        self.functions.extend(functions);
        self
    }

    /// Gives a value to the functions that take it as `#[state]`, by its type. A further one of the same type replaces it.
    pub fn state<T: Any + Send + Sync>(mut self, value: Arc<T>) -> Self {
        self.states.insert(TypeId::of::<T>(), value);
        self
    }

    /// The worker's name, for people. Default: the host's process and a random number. Rights never come from it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long a lease runs: after that, a task whose worker died is started by another. 10 ms to a year, 5 minutes by default.
    ///
    /// Leases are renewed while bodies run, so it may be far shorter than the work.
    pub const fn lease_duration(mut self, duration: Duration) -> Self {
        self.lease = duration;
        self
    }

    /// Whether leases are renewed while bodies run. On by default. Without it a body that outlives its lease is stopped and runs elsewhere.
    pub const fn renew(mut self, renew: bool) -> Self {
        self.renew = renew;
        self
    }

    /// Whether renewing has a thread of its own, as it should: then bodies that block threads keep their leases. Tests under a paused clock turn it off.
    pub const fn renew_on_own_thread(mut self, own: bool) -> Self {
        self.renew_on_own_thread = own;
        self
    }

    /// How often old executions are deleted, once over the whole fleet; `None` turns it off. Default: every hour.
    pub fn cleanup_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.cleanup_interval = interval.into();
        self
    }

    /// How long executions are kept after they ended. Default: 7 days.
    pub const fn retention_period(mut self, period: Duration) -> Self {
        self.retention_period = period;
        self
    }

    /// Bodies that run at once. One that waits for a child, a time or a signal does not count. Default 256.
    pub const fn concurrency(mut self, bodies: u32) -> Self {
        self.concurrency = bodies;
        self
    }

    /// Tasks that are claimed ahead at most, to be started in a moment. 0 claims none ahead. Default 4,096; how many it is follows how fast they start.
    pub const fn prefetch(mut self, tasks: u32) -> Self {
        self.prefetch = tasks;
        self
    }

    /// Tasks that wait in memory at most; more are suspended at once. Default 10,000.
    pub const fn parked(mut self, tasks: u32) -> Self {
        self.parked = tasks;
        self
    }

    /// Serves these queues only, at least one. Default: all.
    pub fn queues<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// How often the store is asked for work when no hint came: 1 ms to a day. Default 1 s.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// How long a task waits in memory before it is suspended: one row, no lease, no memory. Default 5 s.
    pub const fn suspend_after(mut self, span: Duration) -> Self {
        self.suspend_after = span;
        self
    }

    /// How long a drain lets bodies finish. What has not finished then goes back to the queue. Default 30 s.
    pub const fn drain_grace(mut self, grace: Duration) -> Self {
        self.drain_grace = grace;
        self
    }

    /// After how many crashes with nothing else to blame a task becomes a dead letter. At least 1; default 5.
    pub const fn crash_limit(mut self, crashes: u32) -> Self {
        self.crash_limit = crashes;
        self
    }

    /// The size of one payload in bytes, at least 1. Default 4 MiB.
    pub const fn payload_limit(mut self, bytes: usize) -> Self {
        self.payload_limit = bytes;
        self
    }

    /// The clock by which the worker stops before its leases can have run out. For tests.
    pub fn clock(mut self, clock: Arc<dyn HolderClock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where random numbers come from. For tests.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Starts the worker. When this returns it is announced to the store and claims tasks.
    ///
    /// # Errors
    /// When an option is impossible, two functions share a name, a state is missing, there is no tokio runtime, or the store does not answer.
    pub async fn start(self) -> Result<Worker, WorkerError> {
        within_runtime()?;
        let settings = self.settings()?;
        let registry = Registry::new(self.functions, self.states)?;
        let (commits, queue) = CommitQueue::new();
        let shared = Shared::new(
            self.store,
            settings,
            registry,
            commits,
            self.clock,
            self.entropy,
        );
        launch(Arc::new(shared), queue).await
    }

    /// Starts the worker and runs until the process is asked to end (SIGTERM, Ctrl-C), then drains. A second request ends it at once; what
    /// runs then goes on elsewhere when its lease ends.
    ///
    /// # Errors
    /// As [`WorkerBuilder::start`] and [`Worker::drain`]; [`WorkerError::PartEnded`] when the worker cannot go on.
    pub async fn serve(self) -> stent_client::Result<()> {
        within_runtime()?;
        // Before the worker starts, so that it drains however early it is asked to end.
        let mut requests = EndRequests::listen()?;
        let worker = tokio::select! {
            biased;
            started = self.start() => started?,
            // It waits for its store; there is nothing to drain yet.
            asked = requests.next() => return Ok(asked?),
        };
        tokio::select! {
            biased;
            asked = requests.next() => asked?,
            part = worker.part_ended() => tracing::error!(part, "a part of the worker ended; draining what is left of it"),
        }
        tracing::info!("asked to end; draining, once more ends at once");
        let mut drain = Box::pin(worker.drain());
        tokio::select! {
            biased;
            drained = &mut drain => drained,
            again = requests.next() => {
                again?;
                Ok(())
            }
        }
    }

    /// Checks every option.
    fn settings(&self) -> Result<Settings, WorkerError> {
        let permits = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        if permits == 0 || permits > Semaphore::MAX_PERMITS {
            let given = self.concurrency;
            let allowed = "at least 1, and no more than tokio's semaphores can count";
            return Err(WorkerError::option("concurrency", given, allowed));
        }
        if self.payload_limit == 0 {
            return Err(WorkerError::option("payload_limit", 0, "at least 1 byte"));
        }
        if self.queues.as_ref().is_some_and(Vec::is_empty) {
            let allowed = "at least one queue; leave it out to serve all";
            return Err(WorkerError::option("queues", "empty", allowed));
        }
        let crash_limit = NonZeroU32::new(self.crash_limit)
            .ok_or_else(|| WorkerError::option("crash_limit", 0, "at least 1"))?;
        if !(defaults::POLL_MIN..=defaults::POLL_MAX).contains(&self.poll_interval) {
            let given = self.poll_interval;
            return Err(WorkerError::span("poll_interval", given, "1 ms to a day"));
        }
        if let Some(given) = self.cleanup_interval
            && given < defaults::CLEANUP_INTERVAL_MIN
        {
            return Err(WorkerError::span(
                "cleanup_interval",
                given,
                "at least 10 ms",
            ));
        }
        let queues = self
            .queues
            .as_ref()
            .map(|queues| queues.iter().map(QueueName::new).collect());
        Ok(Settings {
            name: self.worker_name()?,
            lease: LeaseDuration::new(self.lease)?,
            renew: self.renew,
            renew_on_own_thread: self.renew_on_own_thread,
            concurrency: self.concurrency,
            prefetch: self.prefetch,
            parked: self.parked,
            queues: queues.transpose()?,
            poll_interval: self.poll_interval,
            suspend_after: self.suspend_after,
            drain_grace: self.drain_grace,
            cleanup_interval: self.cleanup_interval,
            retention_period: self.retention_period,
            crash_limit,
            payload_limit: self.payload_limit,
        })
    }

    fn worker_name(&self) -> Result<WorkerName, NameError> {
        match &self.name {
            Some(name) => WorkerName::new(name),
            None => {
                let mut random = [0; 4];
                self.entropy.fill(&mut random);
                let random = u32::from_ne_bytes(random);
                WorkerName::new(format!("{}-{random:08x}", std::process::id()))
            }
        }
    }
}

fn within_runtime() -> Result<(), WorkerError> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(WorkerError::NoRuntime),
    }
}
