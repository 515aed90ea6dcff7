//! Waiting for executions to end: one task per client, however many wait.
//!
//! **Invariants**
//! * Nothing is missed: hints are listened to before the first read, every execution is read once when someone begins to wait for it, and all
//!   are read again at each poll interval, whatever hints came.
//! * Reads are batches of ids, and their number per second does not depend on how many wait, nor on how many hints come.
//! * What the store will not read is told to those who wait for it, and to nobody else.
//! * Who waits is answered, or waits anew: a task that ends with its runtime leaves nobody behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use stent_core::{
    ExecutionId, FunctionName, Hint, Outcome, Store, StoreError, defaults,
    store::{ExecutionQuery, ExecutionRecord, HintStream},
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};

use crate::{
    error::{Error, Result},
    patience::{Backoff, Patience, far},
};

const WHAT: &str = "read executions";

/// Outcomes read at once: each may be as large as a payload may be.
const OUTCOMES_AT_ONCE: usize = 64;

/// Hints that are looked at before the next read.
const HINTS_AT_ONCE: usize = 10_000;

/// How often a wait is taken up again whose task ended with its runtime.
const LOST_TASKS_MAX: u32 = 8;

/// How an execution ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) function: FunctionName,
    pub(crate) outcome: Outcome,
}

/// An [`Error`] that many may be told.
#[derive(Clone, Debug)]
enum Told {
    NoSuchExecution,
    Store(Arc<StoreError>),
    Unavailable(Option<Arc<StoreError>>),
}

type Answer = std::result::Result<Ended, Told>;

/// Where those who wait meet.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    patience: Patience,
    poll_interval: Duration,
    room: Mutex<Room>,
    /// Someone has begun to wait. The task alone waits for it.
    entered: Notify,
}

#[derive(Default)]
struct Room {
    waiting: BTreeMap<ExecutionId, Vec<oneshot::Sender<Answer>>>,
    /// Those that were not read yet.
    fresh: Vec<ExecutionId>,
    /// A task looks after them.
    attended: bool,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("waiting", &self.waiting.len())
            .field("attended", &self.attended)
            .finish_non_exhaustive()
    }
}

impl Waiter {
    pub(crate) fn new(store: Arc<dyn Store>, patience: Patience, poll_interval: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                patience,
                poll_interval,
                room: Mutex::default(),
                entered: Notify::new(),
            }),
        }
    }

    /// Waits until an execution has ended.
    pub(crate) async fn ended(&self, execution: ExecutionId) -> Result<Ended> {
        for _ in 0..LOST_TASKS_MAX {
            // No answer: the task that looked after it ended with its runtime.
            if let Ok(answer) = self.enter(execution)?.await {
                return answer.map_err(|told| self.error(execution, told));
            }
        }
        Err(Error::NoRuntime)
    }

    fn enter(&self, execution: ExecutionId) -> Result<oneshot::Receiver<Answer>> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let (sender, receiver) = oneshot::channel();
        let mut room = self.shared.room();
        room.waiting.entry(execution).or_default().push(sender);
        room.fresh.push(execution);
        let unattended = !std::mem::replace(&mut room.attended, true);
        // A runtime that shuts down drops the task on the spot, and the task looks into the room.
        drop(room);
        if unattended {
            runtime.spawn(Attendant::new(Arc::clone(&self.shared)).run());
        }
        self.shared.entered.notify_one();
        Ok(receiver)
    }

    fn error(&self, execution: ExecutionId, told: Told) -> Error {
        match told {
            Told::NoSuchExecution => Error::NoSuchExecution { execution },
            Told::Store(source) => Error::Store { what: WHAT, source },
            Told::Unavailable(source) => Error::Unavailable {
                what: WHAT,
                within: self.shared.patience.within,
                source,
            },
        }
    }
}

impl Shared {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks after all who wait.
struct Attendant {
    shared: Arc<Shared>,
    /// When all are read again.
    read_all_at: Instant,
    /// When all were read last.
    all_read_at: Instant,
    failing: Option<Failing>,
    /// Nobody waited when all were read last.
    quiet: bool,
    /// It left the room in order.
    left: bool,
}

/// A store that does not answer.
struct Failing {
    since: Instant,
    backoff: Backoff,
}

/// What to read next.
enum Look {
    All,
    At(Vec<ExecutionId>),
    Nothing,
}

impl Attendant {
    fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            read_all_at: far(now, shared.poll_interval),
            all_read_at: now,
            shared,
            failing: None,
            quiet: false,
            left: false,
        }
    }

    async fn run(mut self) {
        let mut hints = Some(self.shared.store.hints());
        loop {
            match self.next(&mut hints).await {
                Look::All => self.read_all().await,
                Look::At(ids) => self.read(&ids, true).await,
                Look::Nothing => {}
            }
            let fresh = std::mem::take(&mut self.shared.room().fresh);
            if self.failing.is_none() {
                self.read(&fresh, false).await;
            }
            if self.may_leave() {
                return;
            }
        }
    }

    /// Waits for something to look at.
    async fn next(&mut self, hints: &mut Option<HintStream>) -> Look {
        let hint = async {
            match hints {
                Some(hints) => hints.next().await,
                None => std::future::pending().await,
            }
        };
        let hint = tokio::select! {
            biased;
            // First, so that neither those who enter nor hints can hold it up, however many come.
            () = tokio::time::sleep_until(self.read_all_at) => return Look::All,
            () = self.shared.entered.notified() => return Look::Nothing,
            hint = hint => hint,
        };
        match hint {
            Some(hint) => self.hinted(hint, hints),
            None => {
                *hints = None;
                Look::Nothing
            }
        }
    }

    /// Looks at a hint, and at those that are there already.
    fn hinted(&mut self, first: Hint, hints: &mut Option<HintStream>) -> Look {
        // Hints may come twice.
        let mut ended = BTreeSet::new();
        let mut hint = Some(first);
        for _ in 0..HINTS_AT_ONCE {
            match hint.take() {
                Some(Hint::Ended { execution }) => {
                    ended.insert(execution);
                }
                // The fewer reads, the more wait: each costs as much more.
                Some(Hint::Anything) => {
                    let waiting =
                        u32::try_from(self.shared.room().waiting.len()).unwrap_or(u32::MAX);
                    let gap = Duration::from_millis(2)
                        + Duration::from_micros(10).saturating_mul(waiting);
                    self.read_all_at = self.read_all_at.min(far(self.all_read_at, gap));
                }
                Some(
                    Hint::Due { .. }
                    | Hint::Delivered { .. }
                    | Hint::CancelRequested { .. }
                    | Hint::SlotFreed { .. },
                ) => {}
                None => break,
            }
            hint = hints
                .as_mut()
                .and_then(|hints| hints.next().now_or_never())
                .flatten();
        }
        let room = self.shared.room();
        ended.retain(|execution| room.waiting.contains_key(execution));
        if ended.is_empty() {
            Look::Nothing
        } else {
            Look::At(ended.into_iter().collect())
        }
    }

    async fn read_all(&mut self) {
        let ids: Vec<_> = {
            let mut room = self.shared.room();
            room.waiting.retain(|_, senders| {
                senders.retain(|sender| !sender.is_closed());
                !senders.is_empty()
            });
            room.waiting.keys().copied().collect()
        };
        self.all_read_at = Instant::now();
        self.read_all_at = far(self.all_read_at, self.shared.poll_interval);
        self.quiet = ids.is_empty();
        self.read(&ids, false).await;
    }

    /// Reads executions and answers those who wait for one that has ended, or is not there. With `outcomes`, they are probably at their end.
    async fn read(&mut self, ids: &[ExecutionId], outcomes: bool) {
        let size = if outcomes {
            OUTCOMES_AT_ONCE
        } else {
            defaults::PAGE_SIZE_MAX as usize
        };
        let mut portions: Vec<_> = ids.chunks(size).rev().collect();
        while let Some(ids) = portions.pop() {
            match (self.read_portion(ids, outcomes).await, ids) {
                (Ok(()), _) => self.failing = None,
                // What the store will not read is found among the others, who are kept out of it.
                (Err(told @ Told::Store(_)), [one]) => self.shared.room().tell(*one, &Err(told)),
                (Err(Told::Store(_)), _) => {
                    let (first, others) = ids.split_at(ids.len() / 2);
                    portions.extend([others, first]);
                }
                (Err(told), _) => return self.failed(told),
            }
        }
    }

    async fn read_portion(
        &self,
        ids: &[ExecutionId],
        outcomes: bool,
    ) -> std::result::Result<(), Told> {
        let records = self.query(ids, outcomes).await?;
        if outcomes {
            self.answer(ids, records);
            Ok(())
        } else {
            self.read_ended(ids, &records).await
        }
    }

    /// Reads the outcomes of those that have ended.
    async fn read_ended(
        &self,
        ids: &[ExecutionId],
        heads: &[ExecutionRecord],
    ) -> std::result::Result<(), Told> {
        let mut gone = ids.to_vec();
        gone.retain(|id| heads.iter().all(|head| head.root.task.execution != *id));
        self.answer(&gone, Vec::new());
        let ended: Vec<_> = heads
            .iter()
            .map(|head| &head.root.task)
            .filter(|task| task.state.kind().is_terminal())
            .map(|task| task.execution)
            .collect();
        for ids in ended.chunks(OUTCOMES_AT_ONCE) {
            let records = self.query(ids, true).await?;
            self.answer(ids, records);
        }
        Ok(())
    }

    async fn query(
        &self,
        ids: &[ExecutionId],
        payloads: bool,
    ) -> std::result::Result<Vec<ExecutionRecord>, Told> {
        let query = ExecutionQuery {
            ids: Some(ids.to_vec()),
            limit: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            payloads,
            ..ExecutionQuery::default()
        };
        let request = self.shared.store.executions(query);
        match timeout(self.shared.patience.within, request).await {
            Ok(Ok(page)) => Ok(page.executions),
            Ok(Err(error)) if error.is_retryable() => Err(Told::Unavailable(Some(Arc::new(error)))),
            Ok(Err(error)) => Err(Told::Store(Arc::new(error))),
            Err(_elapsed) => Err(Told::Unavailable(None)),
        }
    }

    /// Answers those who wait for an execution that has ended, or is not among what was read.
    fn answer(&self, asked: &[ExecutionId], records: Vec<ExecutionRecord>) {
        let mut found: BTreeMap<_, _> = records
            .into_iter()
            .map(|record| (record.root.task.execution, record.root))
            .collect();
        let mut room = self.shared.room();
        for id in asked {
            let answer = match found.remove(id) {
                None => Err(Told::NoSuchExecution),
                Some(root) => match root.outcome {
                    Some(outcome) => Ok(Ended {
                        function: root.task.function,
                        outcome,
                    }),
                    None => continue,
                },
            };
            room.tell(*id, &answer);
        }
    }

    /// A read failed: it is tried again, until patience is over.
    fn failed(&mut self, told: Told) {
        let now = Instant::now();
        let patience = &self.shared.patience;
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: now,
            backoff: Backoff::new(),
        });
        let give_up = match &told {
            Told::Unavailable(Some(_)) => now.duration_since(failing.since) >= patience.within,
            Told::Unavailable(None) | Told::Store(_) | Told::NoSuchExecution => true,
        };
        self.read_all_at = far(now, failing.backoff.step(&*patience.ids));
        if give_up {
            self.failing = None;
            let mut room = self.shared.room();
            let all: Vec<_> = room.waiting.keys().copied().collect();
            for id in all {
                room.tell(id, &Err(told.clone()));
            }
        }
    }

    /// Leaves when nobody waits any more.
    fn may_leave(&mut self) -> bool {
        let mut room = self.shared.room();
        let idle = self.quiet && room.waiting.is_empty();
        if idle {
            room.attended = false;
            self.left = true;
        }
        idle
    }
}

impl Room {
    fn tell(&mut self, execution: ExecutionId, answer: &Answer) {
        for sender in self.waiting.remove(&execution).unwrap_or_default() {
            // Whoever stopped waiting needs no answer.
            drop(sender.send(answer.clone()));
        }
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        if !self.left {
            let mut room = self.shared.room();
            room.attended = false;
            room.fresh.clear();
            room.waiting.clear();
        }
    }
}
