//! What all transactions of one store share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stent_core::{
    Clock, ExecutionId, Hint, ParentLink, Task, TaskId, Timestamp,
    store::{DispatchRequest, HintHub, SignalRequest},
};
use uuid::Uuid;

use crate::{
    combine::Queue, lanes::Lanes, listen::Wires, open::Opened, options::PostgresOptions,
    pool::Pool, statements::Statements,
};

/// Places that are remembered, some 5 MB of them. Beyond them the memory begins anew.
const PLACES_MAX: usize = 65_536;

/// Where a task stands in its tree. That never changes, so what is remembered stays true for as long as the server is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) execution: ExecutionId,
    pub(crate) parent: Option<ParentLink>,
}

impl From<&Task> for Place {
    fn from(task: &Task) -> Self {
        Self {
            execution: task.execution,
            parent: task.parent,
        }
    }
}

/// One store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) pool: Pool,
    /// By which its tables differ from those of every other store.
    pub(crate) installation: Uuid,
    pub(crate) statements: Statements,
    /// How long a request may take in all before its connection is given up.
    pub(crate) patience: Duration,
    /// Where it is `None` the database's clock counts.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) lanes: Lanes,
    pub(crate) hub: Arc<HintHub>,
    pub(crate) dispatches: Queue<DispatchRequest>,
    pub(crate) signals: Queue<SignalRequest>,
    /// To and from other processes.
    pub(crate) wires: Wires,
    places: Mutex<HashMap<TaskId, Place>>,
    deadlocks_looked_for_at: Mutex<Option<Timestamp>>,
    /// The last claim found nothing that is due: the next one only glances first.
    found_nothing: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept under these locks is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request has some statements, of which one may wait for as long as the server lets it; beyond that the server does not answer at all.
fn patience(statement_timeout: Duration) -> Duration {
    statement_timeout.saturating_mul(2)
}

impl Shared {
    pub(crate) fn new(opened: Opened, options: PostgresOptions) -> Self {
        let Opened { pool, installation } = opened;
        let hub = Arc::default();
        Self {
            installation,
            wires: Wires::new(&options, &pool, &hub),
            pool,
            patience: patience(options.statement_timeout),
            statements: Statements::new(&options.schema),
            clock: options.clock,
            lanes: Lanes::default(),
            hub,
            dispatches: Queue::default(),
            signals: Queue::default(),
            places: Mutex::default(),
            deadlocks_looked_for_at: Mutex::default(),
            found_nothing: AtomicBool::new(false),
        }
    }

    /// Tells those who listen, in this process and in others, what was committed.
    pub(crate) fn tell(&self, hints: Vec<Hint>) {
        if !hints.is_empty() {
            self.set_found_nothing(false);
        }
        self.wires.tell(&hints);
        self.hub.tell(hints);
    }

    /// The time of the injected clock, if there is one.
    pub(crate) fn injected_now(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().as_micros())
    }

    /// Remembers where tasks stand.
    pub(crate) fn remember(&self, tasks: impl Iterator<Item = (TaskId, Place)>) {
        let mut places = lock(&self.places);
        for (id, place) in tasks {
            if places.len() >= PLACES_MAX {
                places.clear();
            }
            places.insert(id, place);
        }
    }

    /// Where tasks stand, as far as that is remembered.
    pub(crate) fn places(&self, tasks: impl Iterator<Item = TaskId>) -> HashMap<TaskId, Place> {
        let places = lock(&self.places);
        tasks
            .filter_map(|id| Some((id, *places.get(&id)?)))
            .collect()
    }

    /// Forgets where tasks stand that have ended.
    pub(crate) fn forget(&self, tasks: impl Iterator<Item = TaskId>) {
        let mut places = lock(&self.places);
        for id in tasks {
            places.remove(&id);
        }
    }

    /// Forgets whatever was read from the server.
    pub(crate) fn forget_all(&self) {
        self.lanes.forget();
        lock(&self.places).clear();
        self.set_found_nothing(false);
    }

    pub(crate) fn deadlocks_looked_for_at(&self) -> Option<Timestamp> {
        *lock(&self.deadlocks_looked_for_at)
    }

    /// Whether the last claim found nothing that is due.
    pub(crate) fn found_nothing(&self) -> bool {
        self.found_nothing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_found_nothing(&self, found_nothing: bool) {
        self.found_nothing.store(found_nothing, Ordering::Relaxed);
    }

    pub(crate) fn set_deadlocks_looked_for_at(&self, now: Timestamp) {
        *lock(&self.deadlocks_looked_for_at) = Some(now);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.hub.close();
    }
}
