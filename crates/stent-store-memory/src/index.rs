//! Where to look for tasks without looking at all of them.
//!
//! **Invariant:** each set is a function of the tasks alone: a task is filed under what it is, and filed anew whenever it changes.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{ExecutionId, FunctionName, Lane, State, StateKind, Task, TaskId, Timestamp};

/// A task's place among others: an instant, then the order of making.
pub(crate) type Place = (Timestamp, u64, TaskId);

/// Tasks by what is asked of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// What may be claimed now or later, by lane, the one that is due first first.
    pub(crate) due: BTreeMap<Lane, BTreeSet<Place>>,
    /// Leases, the one that runs out first first.
    pub(crate) leased: BTreeSet<Place>,
    /// Deadlines of tasks that nobody runs.
    pub(crate) deadlines: BTreeSet<Place>,
    /// Roots that ended, the oldest first.
    pub(crate) ended: BTreeSet<Place>,
    /// Tasks that hold a slot.
    pub(crate) slots: BTreeMap<FunctionName, BTreeSet<TaskId>>,
    /// Children that have not ended, by parent, in the order of their making.
    pub(crate) live_children: BTreeMap<TaskId, BTreeSet<(u64, TaskId)>>,
    /// All tasks of an execution.
    pub(crate) members: BTreeMap<ExecutionId, BTreeSet<TaskId>>,
}

impl Index {
    /// Files a new task.
    pub(crate) fn add(&mut self, seq: u64, task: &Task) {
        self.members
            .entry(task.execution)
            .or_default()
            .insert(task.id);
        self.file(seq, task);
    }

    /// Files a task anew.
    pub(crate) fn change(&mut self, seq: u64, before: &Task, after: &Task) {
        let is_filed_alike = before.state == after.state
            && before.class() == after.class()
            && before.deadline == after.deadline;
        if !is_filed_alike {
            self.unfile(seq, before);
            self.file(seq, after);
        }
    }

    /// Forgets a task.
    pub(crate) fn remove(&mut self, seq: u64, task: &Task) {
        self.unfile(seq, task);
        take(&mut self.members, &task.execution, &task.id);
    }

    fn file(&mut self, seq: u64, task: &Task) {
        let place = |at| (at, seq, task.id);
        if let Some(at) = task.state.due_at() {
            self.due.entry(task.lane()).or_default().insert(place(at));
        }
        if let Some(at) = task.state.lease_expires_at() {
            self.leased.insert(place(at));
        }
        if let Some(at) = unattended_deadline(task) {
            self.deadlines.insert(place(at));
        }
        if let Some(at) = task.state.ended_at().filter(|_| task.is_root()) {
            self.ended.insert(place(at));
        }
        if task.holds_slot {
            let slots = self.slots.entry(task.function.clone()).or_default();
            slots.insert(task.id);
        }
        if let Some(parent) = live_child_of(task) {
            let children = self.live_children.entry(parent).or_default();
            children.insert((seq, task.id));
        }
    }

    fn unfile(&mut self, seq: u64, task: &Task) {
        let place = |at| (at, seq, task.id);
        if let Some(at) = task.state.due_at() {
            take(&mut self.due, &task.lane(), &place(at));
        }
        if let Some(at) = task.state.lease_expires_at() {
            self.leased.remove(&place(at));
        }
        if let Some(at) = unattended_deadline(task) {
            self.deadlines.remove(&place(at));
        }
        if let Some(at) = task.state.ended_at().filter(|_| task.is_root()) {
            self.ended.remove(&place(at));
        }
        if task.holds_slot {
            take(&mut self.slots, &task.function, &task.id);
        }
        if let Some(parent) = live_child_of(task) {
            take(&mut self.live_children, &parent, &(seq, task.id));
        }
    }
}

/// The deadline of a task that nobody runs; of a running one it is its holder's duty.
fn unattended_deadline(task: &Task) -> Option<Timestamp> {
    match task.state {
        State::Pending { .. } | State::Suspended { .. } => task.deadline,
        State::Running { .. }
        | State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => None,
    }
}

fn live_child_of(task: &Task) -> Option<TaskId> {
    let is_live = !StateKind::is_terminal(task.state.kind());
    task.parent.filter(|_| is_live).map(|parent| parent.task)
}

/// Takes a member out of a set, and an empty set out of the map.
pub(crate) fn take<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}
