//! The world that all machines share: time, the store, faults, and the record of what was seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use stent::store::{
    Clock, ExecutionId, ExecutionQuery, ExecutionRecord, MemoryStore, Store, TaskId, *,
};

use crate::{
    random::Random,
    record::{Lease, Memory, Record},
    scenario::{Fault, Scenario},
    time::{StoreClock, WorldTime},
};

/// A request that arrives later.
pub(crate) type Late = Box<dyn FnOnce(&World) + Send>;

/// What all machines share.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) time: Arc<WorldTime>,
    pub(crate) store_clock: Arc<StoreClock>,
    store: Mutex<Arc<MemoryStore>>,
    /// What the network draws.
    pub(crate) network: Random,
    /// What steps answer.
    pub(crate) values: Random,
    state: Mutex<Weather>,
    record: Mutex<Record>,
}

#[derive(Default)]
pub(crate) struct Weather {
    /// Whether faults still happen.
    pub(crate) calm: bool,
    /// Until when the store is away.
    pub(crate) away_until: u64,
    pub(crate) late: Vec<(u64, Late)>,
    /// How often the store has lost something.
    pub(crate) losses: u32,
    /// What the store and the record of it were, to come back to.
    pub(crate) kept: Option<(MemoryStore, Memory)>,
    /// The machine whose process ends at this moment.
    pub(crate) dying: Option<usize>,
    /// Machines whose process a body has ended.
    pub(crate) doomed: BTreeSet<usize>,
    /// How often each machine was paused.
    pub(crate) pauses: BTreeMap<usize, u32>,
    pub(crate) standing_still: BTreeSet<usize>,
    pub(crate) asked_to_end: BTreeSet<usize>,
    /// Whether somebody has set the store's clock: times mean little then.
    pub(crate) clock_was_set: bool,
}

impl Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.scenario.seed)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(scenario: Scenario) -> Arc<Self> {
        let time = Arc::new(WorldTime::default());
        let store_clock = Arc::new(StoreClock::new(Arc::clone(&time)));
        let numbers = scenario.items.iter().map(|item| item.number + 1);
        let record = Record::of(numbers.max().unwrap_or(0));
        Arc::new(Self {
            store: Mutex::new(Arc::new(MemoryStore::with_clock(
                Arc::clone(&store_clock) as _
            ))),
            network: Random::new(scenario.seed, 2),
            values: Random::new(scenario.seed, 3),
            scenario,
            time,
            store_clock,
            state: Mutex::default(),
            record: Mutex::new(record),
        })
    }

    /// The store as it is now.
    pub(crate) fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&lock(&self.store))
    }

    /// Keeps what the store holds, to come back to it; once limits are declared, because a store that lost those knows of none until a worker starts.
    pub(crate) fn keep(&self) {
        let functions = at_once(self.store().functions()).unwrap_or_default();
        if functions.iter().all(|one| one.limits.effective().is_none()) {
            return;
        }
        let store = self.store().fork().expect("no request panics");
        let kept = (store, self.record().memory());
        self.state().kept.get_or_insert(kept);
    }

    /// The store loses what was done since it was kept (F8). Hints of what is done from now on reach only who asks for them from now on.
    pub(crate) fn lose(&self) {
        let Some((store, memory)) = self.state().kept.take() else {
            return;
        };
        let losses = {
            let mut state = self.state();
            state.losses += 1;
            state.losses
        };
        *lock(&self.store) = Arc::new(store.in_epoch(Epoch(losses.into())));
        let left = self.executions();
        let left = left.iter().map(|record| record.root.task.execution);
        self.record().lose(memory, &left.collect());
        self.note("the store lost its newest transactions");
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Weather> {
        lock(&self.state)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn now(&self) -> u64 {
        self.time.now()
    }

    pub(crate) fn note(&self, event: impl Debug) {
        self.record().note(self.now(), event);
    }

    pub(crate) fn broke(&self, what: String) {
        self.record().broke(self.now(), what);
    }

    /// Whether a kind of fault happens now.
    pub(crate) fn may(&self, fault: Fault) -> bool {
        !self.state().calm && self.scenario.has(fault)
    }

    /// All executions that the store has.
    pub(crate) fn executions(&self) -> Vec<ExecutionRecord> {
        let query = ExecutionQuery {
            limit: 1_000,
            payloads: true,
            ..ExecutionQuery::default()
        };
        at_once(self.store().executions(query)).map_or_else(|_| Vec::new(), |page| page.executions)
    }

    /// Whether the store has an execution.
    pub(crate) fn has(&self, id: ExecutionId) -> bool {
        let mut executions = self.executions().into_iter();
        executions.any(|record| record.root.task.execution == id)
    }

    /// All tasks that the store has.
    pub(crate) fn tasks(&self) -> Vec<TaskRecord> {
        let mut all: Vec<TaskRecord> = Vec::new();
        loop {
            let query = TaskQuery {
                after: all.last().map(|record| record.task.id),
                limit: 1_000,
                payloads: true,
                ..TaskQuery::default()
            };
            let Ok(page) = at_once(self.store().tasks(query)) else {
                return all;
            };
            all.extend(page.tasks);
            if !page.more {
                return all;
            }
        }
    }

    /// The whole history of a task.
    pub(crate) fn history(&self, task: TaskId) -> Vec<HistoryEntry> {
        let request = HistoryRequest {
            task,
            after: Ordinal::NONE,
            whole: true,
        };
        let histories = at_once(self.store().history(vec![request])).unwrap_or_default();
        histories
            .into_iter()
            .flat_map(|history| history.entries)
            .collect()
    }

    /// After each transaction: limits hold (S4).
    pub(crate) fn transaction_ended(&self) {
        let Ok(functions) = at_once(self.store().functions()) else {
            return;
        };
        for function in functions {
            let name = function.name.as_str().to_owned();
            let before = self.record().slots.insert(name, function.slots_held);
            let Some(limit) = function.limits.effective() else {
                continue;
            };
            let allowed = limit.max_concurrent.get().max(before.unwrap_or(0));
            if function.slots_held > allowed {
                self.broke(format!(
                    "S4: more slots are held than there are: {function:?}"
                ));
            }
        }
    }

    /// A lease was handed out (S3): its fence is newer than all before it, and its own.
    pub(crate) fn leased(&self, machine: usize, task: &Task) {
        let State::Running { expires_at, .. } = task.state else {
            self.broke(format!("S12: what was claimed is not leased: {task:?}"));
            return;
        };
        let serves = self.scenario.serve_one.get(&machine);
        if serves.is_some_and(|queue| task.queue.as_str() != *queue) {
            self.broke(format!(
                "S12: {machine} was given a task of a queue that it does not serve: {task:?}"
            ));
        }
        let mut record = self.record();
        let leases = record.leases.entry(task.id).or_default();
        let lease = Lease {
            fence: task.fence,
            machine,
            until: expires_at,
            is_lost: false,
        };
        // A store that lost a lease gives its token out again, under another mark; or the same fence to whoever asks again because nobody had answered.
        let newest = leases.iter().all(|old| {
            let is_another = old.fence.mark != task.fence.mark;
            let is_asked_again = old.fence == task.fence && old.machine == machine;
            let is_older = old.fence.token < task.fence.token;
            is_another && is_older || old.is_lost && (is_another || is_asked_again)
        });
        leases.push(lease);
        let now = self.now();
        if !newest {
            record.broke(now, format!("S3: a fence was handed out again: {task:?}"));
        }
        if task
            .deadline
            .is_some_and(|deadline| self.store_clock.now() >= deadline)
        {
            record.broke(now, format!("S12: an overdue task was claimed: {task:?}"));
        }
        record.note(
            now,
            (
                machine,
                "leased",
                task.id,
                task.fence.token,
                task.function.as_str(),
            ),
        );
    }

    /// A lease was extended.
    pub(crate) fn renewed(&self, task: TaskId, fence: Fence, until: Timestamp) {
        let mut record = self.record();
        if let Some(leases) = record.leases.get_mut(&task)
            && let Some(lease) = leases.iter_mut().find(|lease| lease.fence == fence)
        {
            lease.until = lease.until.max(until);
        }
    }

    /// A commit was refused or applied.
    pub(crate) fn committed(&self, machine: usize, answer: &CommitAnswer) {
        for result in &answer.results {
            let refused = result.result.as_ref().err();
            self.note((machine, "committed", result.task, result.number, refused));
        }
    }

    /// Deletes what is expired, and keeps what it was (S9).
    pub(crate) fn cleaned_up(&self, retention: std::time::Duration, before: &[ExecutionRecord]) {
        let now = self.store_clock.now();
        let left: BTreeSet<ExecutionId> = self
            .executions()
            .iter()
            .map(|record| record.root.task.execution)
            .collect();
        for record in before {
            let id = record.root.task.execution;
            if left.contains(&id) {
                continue;
            }
            let ended = record.root.task.state.ended_at();
            if ended.is_none_or(|at| now.since(at) <= retention) {
                self.broke(format!(
                    "S9: a cleanup took what it must keep: {:?}",
                    record.root.task
                ));
            }
            self.note(("cleaned up", id));
            self.record().gone.insert(id, record.clone());
        }
        let tasks = self.tasks();
        if tasks
            .iter()
            .any(|task| !left.contains(&task.task.execution))
        {
            self.broke("S9: a cleanup left tasks of an execution that is gone".to_owned());
        }
        let left = tasks.iter().map(|task| task.task.id).collect();
        self.record().forget_all_but(&left);
    }
}

/// What the memory store answers: it waits for nothing.
pub(crate) fn at_once<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never()
        .expect("the memory store answers at once")
}
