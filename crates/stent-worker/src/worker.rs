//! A worker: how it is set up, started, watched and stopped.

use std::{
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use stent_core::{
    StoreError, WorkerName, defaults,
    store::{DeclareRequest, FunctionDeclaration},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    WorkerError, WorkerStats,
    backoff::Backoff,
    claimer, cleaner,
    committer::{self, Unit},
    live::Event,
    news, renewer,
    shared::Shared,
};

/// How long bodies that were told to stop may take to be dropped before a drain gives up on them.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The part without which a worker can do nothing at all.
const COMMITTER: &str = "committer";

/// Announces a worker and starts all its parts.
pub(crate) async fn launch(
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Unit>,
) -> Result<Worker, WorkerError> {
    announce(&shared).await?;
    let (stop_renewing, stopped) = watch::channel(());
    renewer::start(Arc::clone(&shared), stopped)?;
    let start = |name, part| spawn_part(Arc::clone(&shared), name, part);
    let committing = committer::run(Arc::clone(&shared), queue);
    let mut background = vec![
        start(COMMITTER, committing.boxed()),
        start("reader of news", news::run(Arc::clone(&shared)).boxed()),
        start(
            "poll of waiting tasks",
            poll_waiting(Arc::clone(&shared)).boxed(),
        ),
        start(
            "look for unknown functions",
            warn_of_unknown_functions(Arc::clone(&shared)).boxed(),
        ),
    ];
    if let Some(interval) = shared.settings.cleanup_interval {
        let cleaner = cleaner::run(Arc::clone(&shared), interval);
        background.push(start("cleaner", cleaner.boxed()));
    }
    let claimer = start("claimer", claimer::run(Arc::clone(&shared)).boxed());
    tracing::info!(
        worker = %shared.settings.name, functions = shared.registry.all().count(), concurrency = shared.settings.concurrency,
        lease = ?shared.settings.lease.get(),
        "the worker runs; what it holds when it is killed goes on elsewhere, or here after a restart, once its lease has run out"
    );
    Ok(Worker {
        shared,
        claimer: Some(claimer),
        background,
        stop_renewing: Some(stop_renewing),
    })
}

/// Starts a part that runs for as long as the worker takes tasks. Should it end before, the worker is not ready any more.
fn spawn_part(
    shared: Arc<Shared>,
    name: &'static str,
    part: BoxFuture<'static, ()>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let ended = AssertUnwindSafe(part).catch_unwind().await;
        match ended {
            Err(panic) => {
                shared.part_ended(name, &*panic);
                if name == COMMITTER {
                    shared.give_up();
                }
            }
            Ok(()) if shared.is_draining() => {}
            Ok(()) => drop(shared.broken.send_replace(Some(name))),
        }
    })
}

/// Announces the worker; one that starts waits some time for a store that is away.
async fn announce(shared: &Shared) -> Result<(), WorkerError> {
    let until = after(defaults::CLIENT_PATIENCE);
    let mut backoff = Backoff::new(shared);
    loop {
        match declare(shared).await {
            Ok(()) => return Ok(()),
            // A store that is away for a moment fails no start; one that stays away does.
            Err(error) if error.is_retryable() && Instant::now() < until => {
                tracing::warn!(%error, "cannot announce the worker; trying again");
                backoff.wait().await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Announces the worker and its functions' limits, and says what differs.
pub(crate) async fn declare(shared: &Shared) -> Result<(), StoreError> {
    let functions = shared
        .registry
        .all()
        .map(|function| FunctionDeclaration {
            name: function.name.clone(),
            limit: function.limit,
        })
        .collect();
    let request = DeclareRequest {
        worker: shared.report(),
        functions,
    };
    let answer = shared.store.declare(request).await?;
    shared.set_epoch(answer.epoch);
    for difference in answer.differences {
        tracing::warn!(
            function = %difference.function, before = ?difference.before, by_operator = ?difference.by_operator,
            "the declared limit of a function differs from the stored one; the newest declaration counts, unless an operator set one"
        );
    }
    Ok(())
}

/// How often a worker looks for tasks of functions that it does not have.
const LOOK_FOR_UNKNOWN: Duration = Duration::from_secs(300);

/// Warns once of each function that has tasks and that this worker does not have. They are left to others, and never failed.
async fn warn_of_unknown_functions(shared: Arc<Shared>) {
    let mut warned = BTreeSet::new();
    loop {
        match shared.store.functions().await {
            Ok(functions) => {
                for function in functions {
                    let waiting = function.counts.pending > 0 || function.counts.suspended > 0;
                    if waiting
                        && shared.registry.get(&function.name).is_none()
                        && warned.insert(function.name.clone())
                    {
                        tracing::warn!(function = %function.name, "the store holds tasks of a function that this worker does not have; they are left to others");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look for functions that nobody here has"),
        }
        tokio::time::sleep(LOOK_FOR_UNKNOWN).await;
    }
}

/// Looks for what waiting tasks missed, should every hint have been lost.
async fn poll_waiting(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.settings.poll_interval).await;
        shared.want_all_news();
    }
}

/// Requests to end that the process gets: SIGTERM and Ctrl-C.
#[cfg(unix)]
pub(crate) struct EndRequests {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl EndRequests {
    /// Takes them from now on: the process no longer ends by itself.
    pub(crate) fn listen() -> Result<Self, WorkerError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Result<(), WorkerError> {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        Ok(())
    }
}

/// Requests to end that the process gets: Ctrl-C.
#[cfg(not(unix))]
pub(crate) struct EndRequests;

#[cfg(not(unix))]
impl EndRequests {
    /// Takes them from now on: the process no longer ends by itself.
    pub(crate) fn listen() -> Result<Self, WorkerError> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Result<(), WorkerError> {
        Ok(tokio::signal::ctrl_c().await?)
    }
}

/// A worker that runs. Dropping it without [`Worker::drain`] stops it at once; what it was running goes on elsewhere when its leases end.
#[derive(Debug)]
#[must_use = "a worker that is dropped stops at once"]
pub struct Worker {
    shared: Arc<Shared>,
    claimer: Option<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
    stop_renewing: Option<watch::Sender<()>>,
}

impl Worker {
    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &WorkerName {
        &self.shared.settings.name
    }

    /// What it has done since it started.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        self.shared.stats.read()
    }

    /// Tasks that it holds a lease on now.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.shared.live.len()
    }

    /// Whether it takes tasks: it has started, does not drain, and all its parts run.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.is_draining() && self.shared.broken.borrow().is_none()
    }

    /// Waits until a part ends that must not; which one.
    pub(crate) async fn part_ended(&self) -> &'static str {
        let mut broken = self.shared.broken.subscribe();
        loop {
            if let Some(part) = *broken.borrow_and_update() {
                return part;
            }
            if broken.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops: claims nothing more, suspends what waits, lets bodies finish within the grace period, then gives the rest back so that others go
    /// on at once. No attempt and no crash is counted. All this takes the grace period, and at most five seconds more in which bodies that were
    /// told to stop are dropped, whatever the store does and whichever part of the worker has ended.
    ///
    /// # Errors
    /// [`WorkerError::Abandoned`] when bodies did not stop although they were told to; their tasks go on elsewhere when their leases end.
    /// [`WorkerError::PartEnded`] when a part of the worker had stopped by itself; what could be given back was.
    pub async fn drain(mut self) -> stent_client::Result<()> {
        let shared = Arc::clone(&self.shared);
        shared.draining.store(true, Ordering::Release);
        shared.claimer.notify_one();
        tell_all(&shared, || Event::Look);
        let grace = after(shared.settings.drain_grace);
        if let Some(mut claimer) = self.claimer.take() {
            // It ends by itself now; how it did is told by `broken`. One whose store does not answer is not waited for: what it is still given
            // is left to its lease.
            if tokio::time::timeout_at(grace, &mut claimer).await.is_err() {
                claimer.abort();
            }
        }
        if !until_idle(&shared, grace).await {
            tell_all(&shared, || Event::Stop);
            until_idle(&shared, after(STOP_GRACE)).await;
        }
        let (tasks, broken) = (shared.live.len(), *shared.broken.borrow());
        match (tasks, broken) {
            (_, Some(part)) => Err(WorkerError::PartEnded { part }.into()),
            (0, None) => Ok(()),
            (tasks, None) => Err(WorkerError::Abandoned { tasks }.into()),
        }
    }
}

fn tell_all(shared: &Shared, event: impl Fn() -> Event) {
    for handle in shared.live.all() {
        handle.tell(event());
    }
}

/// The instant a span from now; one that no clock reaches is a year away.
fn after(span: Duration) -> Instant {
    Instant::now() + span.min(Duration::from_secs(365 * 86_400))
}

/// Waits until no task is leased any more; false when that is not so by an instant.
async fn until_idle(shared: &Shared, at: Instant) -> bool {
    let timer = tokio::time::sleep_until(at);
    tokio::pin!(timer);
    while shared.live.len() > 0 {
        tokio::select! {
            biased;
            () = shared.idle.notified() => {}
            () = &mut timer => return shared.live.len() == 0,
        }
    }
    true
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop_renewing.take();
        for task in self.background.drain(..).chain(self.claimer.take()) {
            task.abort();
        }
        self.shared.give_up();
    }
}
