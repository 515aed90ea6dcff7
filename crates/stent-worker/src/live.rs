//! The tasks that this worker holds a lease on, and how to reach whoever runs each.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use stent_core::{
    CallPosition, Epoch, Fence, HistoryEntry, Ordinal, Outcome, TaskId, store::CommitResult,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::{committer::Part, context::lock};

/// What a runner is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// Its commit was answered. `sent` is when it was sent, by the holder's clock.
    Answer {
        result: Box<CommitResult>,
        sent: Duration,
    },
    /// Outcomes that were recorded for it.
    News(Vec<HistoryEntry>),
    /// A child that ran here ended. Its commit is the receiver's to send.
    ChildEnded(Box<ChildEnded>),
    /// A child that ran here was answered by the store.
    ChildRecorded {
        position: CallPosition,
        /// Where the store put the outcome; none if it did not take it.
        ordinal: Option<Ordinal>,
        outcome: Option<Outcome>,
    },
    /// A child that ran here goes on elsewhere.
    ChildLeft { position: CallPosition },
    /// It is to be cancelled.
    CancelRequested,
    /// Its lease is gone.
    LeaseLost,
    /// The store came back without its newest transactions since the task was claimed.
    OtherEpoch,
    /// A renewal found no lease: it is gone, unless a commit that is on its way gave it up.
    RenewalRefused,
    /// The worker drains and its patience is over.
    Stop,
    /// The worker drains: nothing to do but to look at it.
    Look,
}

/// A child's end on its way through its parent, so that both can be one commit.
#[derive(Debug)]
pub(crate) struct ChildEnded {
    pub(crate) position: CallPosition,
    /// What its claim handed out.
    pub(crate) fence: Fence,
    pub(crate) outcome: Outcome,
    pub(crate) parts: Vec<Part>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Inbox {
    events: VecDeque<Event>,
    waker: Option<Waker>,
    closed: bool,
}

/// How to reach the runner of a leased task, and until when its lease surely holds.
pub(crate) struct Handle {
    pub(crate) task: TaskId,
    pub(crate) fence: Fence,
    /// The store's epoch when it was claimed.
    pub(crate) epoch: Epoch,
    /// By the holder's clock, in microseconds: when the body must have stopped.
    hold_until: AtomicU64,
    /// By the holder's clock, in microseconds: when the claim or the last acknowledged renewal was sent.
    renewed_at: AtomicU64,
    /// The newest ordinal that it knows without a gap.
    seen: AtomicU32,
    /// Whether it waits for something outside its body.
    parked: AtomicBool,
    /// Whether its body waits for something that others record.
    expects: AtomicBool,
    /// Whether it takes the ends of its children.
    takes_children: AtomicBool,
    /// Whether its lease is renewed.
    renews: AtomicBool,
    inbox: Mutex<Inbox>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("task", &self.task)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

fn to_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Handle {
    pub(crate) fn new(
        task: TaskId,
        fence: Fence,
        epoch: Epoch,
        sent: Duration,
        hold_for: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            task,
            fence,
            epoch,
            hold_until: AtomicU64::new(to_micros(sent.saturating_add(hold_for))),
            renewed_at: AtomicU64::new(to_micros(sent)),
            seen: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            expects: AtomicBool::new(false),
            takes_children: AtomicBool::new(false),
            renews: AtomicBool::new(true),
            inbox: Mutex::new(Inbox::default()),
        })
    }

    /// When the body must have stopped, by the holder's clock.
    pub(crate) fn hold_until(&self) -> Duration {
        Duration::from_micros(self.hold_until.load(Ordering::Acquire))
    }

    /// When the lease was asked for last.
    pub(crate) fn renewed_at(&self) -> Duration {
        Duration::from_micros(self.renewed_at.load(Ordering::Acquire))
    }

    /// A renewal sent at an instant was acknowledged; the lease never becomes shorter.
    pub(crate) fn renewed(&self, sent: Duration, hold_for: Duration) {
        self.renewed_at.fetch_max(to_micros(sent), Ordering::AcqRel);
        let until = to_micros(sent.saturating_add(hold_for));
        self.hold_until.fetch_max(until, Ordering::AcqRel);
    }

    /// Whether its lease is to be renewed.
    pub(crate) fn renews(&self) -> bool {
        self.renews.load(Ordering::Acquire)
    }

    /// Lets the lease run out from now on.
    pub(crate) fn renew_no_more(&self) {
        self.renews.store(false, Ordering::Release);
    }

    /// The newest ordinal that the task knows without a gap.
    pub(crate) fn seen(&self) -> Ordinal {
        Ordinal(self.seen.load(Ordering::Acquire))
    }

    pub(crate) fn set_seen(&self, seen: Ordinal) {
        self.seen.store(seen.0, Ordering::Release);
    }

    /// Whether its body waits for something that others record, beside whatever it does itself.
    pub(crate) fn expects(&self) -> bool {
        self.expects.load(Ordering::Acquire)
    }

    pub(crate) fn set_expects(&self, expects: bool) {
        self.expects.store(expects, Ordering::Release);
    }

    /// Changes whether it waits for something outside its body; answers what it was.
    pub(crate) fn set_parked(&self, parked: bool) -> bool {
        self.parked.swap(parked, Ordering::AcqRel)
    }

    pub(crate) fn set_takes_children(&self, takes: bool) {
        self.takes_children.store(takes, Ordering::Release);
    }

    /// Hands over a child's end; gives it back if the parent cannot take it.
    pub(crate) fn hand_over(&self, child: Box<ChildEnded>) -> Result<(), Box<ChildEnded>> {
        if !self.takes_children.load(Ordering::Acquire) {
            return Err(child);
        }
        let waker = {
            let mut inbox = lock(&self.inbox);
            if inbox.closed {
                return Err(child);
            }
            inbox.events.push_back(Event::ChildEnded(child));
            inbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Tells the runner, if one still listens.
    pub(crate) fn tell(&self, event: Event) {
        let waker = {
            let mut inbox = lock(&self.inbox);
            if inbox.closed {
                return;
            }
            inbox.events.push_back(event);
            inbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Tells the runner which epoch the store is in, if that is another one than its task was claimed in.
    pub(crate) fn tell_epoch(&self, epoch: Epoch) {
        if self.epoch != epoch {
            self.tell(Event::OtherEpoch);
        }
    }

    pub(crate) fn take(&self) -> Option<Event> {
        lock(&self.inbox).events.pop_front()
    }

    /// Whether an event is there; if not, whom to wake when one comes.
    pub(crate) fn has_event(&self, waker: &Waker) -> bool {
        let mut inbox = lock(&self.inbox);
        if inbox.events.is_empty() {
            inbox.waker = Some(waker.clone());
            false
        } else {
            true
        }
    }

    /// Takes no further events; answers those that nobody has looked at.
    pub(crate) fn close(&self) -> VecDeque<Event> {
        let mut inbox = lock(&self.inbox);
        inbox.closed = true;
        std::mem::take(&mut inbox.events)
    }
}

/// All leased tasks of a worker.
#[derive(Debug, Default)]
pub(crate) struct Live {
    tasks: Mutex<BTreeMap<TaskId, Arc<Handle>>>,
}

impl Live {
    pub(crate) fn add(&self, handle: &Arc<Handle>) {
        lock(&self.tasks).insert(handle.task, Arc::clone(handle));
    }

    /// Forgets a task, unless it was claimed anew meanwhile.
    pub(crate) fn remove(&self, handle: &Handle) {
        let mut tasks = lock(&self.tasks);
        if tasks
            .get(&handle.task)
            .is_some_and(|known| known.fence == handle.fence)
        {
            tasks.remove(&handle.task);
        }
    }

    pub(crate) fn get(&self, task: TaskId) -> Option<Arc<Handle>> {
        lock(&self.tasks).get(&task).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        lock(&self.tasks).values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.tasks).len()
    }
}
