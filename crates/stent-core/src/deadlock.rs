//! Tasks that could only wait for each other's slots: they are found, and one of them fails with an error that shows the cycle.
//!
//! `a` (limited to 1) calls `b` (limited to 1) while elsewhere `b` calls `a`: both callers hold their slot while they wait, and neither call can
//! ever start. A call that waits for its own ancestors is refused when it is made; this is about the others.
//!
//! **Invariant:** nobody is condemned who could still move. A task counts as stuck only if it waits for nothing but calls that are stuck, or for a
//! slot of a full function all of whose holders are stuck.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    EntryHead, Failure, FailureKind, FunctionName, Operation, Outcome, State, Task, TaskId,
    Timestamp,
    defaults::DEADLOCK_CHECK_INTERVAL,
    end::end,
    transition::{Refused, Transition},
};

/// Tasks that one search looks at. A larger tangle is left to deadlines and operators.
const NODES_MAX: usize = 10_000;

/// Links of a cycle that the error shows.
const SHOWN_MAX: usize = 12;

/// What a store looks up for [`find`]. Each answer must hold until the transaction's end.
pub trait WaitView {
    /// What can go wrong in looking up.
    type Error;

    /// A task, if it exists.
    ///
    /// # Errors
    /// When it cannot be looked up.
    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Self::Error>;

    /// The entries of a task's history.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Self::Error>;

    /// The tasks that hold the slots of a function, if it is limited and none is free.
    ///
    /// # Errors
    /// When they cannot be looked up.
    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Self::Error>;
}

/// Tasks that only wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The one to end: of those that wait for a slot, the one that was made last.
    pub victim: Task,
    /// Why.
    pub failure: Failure,
}

/// What a task waits for.
#[derive(Debug)]
enum Waits {
    Slot,
    Calls(Vec<TaskId>),
}

#[derive(Debug)]
struct Node {
    task: Task,
    waits: Waits,
}

/// Whether to look again for tasks that only wait for each other: one search reads much, and a tangle does not come undone while it waits.
#[must_use]
pub fn is_search_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now >= last.saturating_add(DEADLOCK_CHECK_INTERVAL))
}

/// Looks for tasks that only wait for each other, beginning with the holders of functions that have due work and no free slot.
///
/// # Errors
/// Only those of the view.
pub fn find<V: WaitView>(
    starved: &BTreeSet<FunctionName>,
    now: Timestamp,
    view: &mut V,
) -> Result<Option<Deadlock>, V::Error> {
    let Some((mut stuck, holders)) = gather(starved, now, view)? else {
        return Ok(None);
    };
    while let Some(moves) = stuck.iter().find_map(|(id, node)| {
        let is_stuck = |id: &TaskId| stuck.contains_key(id);
        let can_move = match &node.waits {
            Waits::Slot => holders
                .get(&node.task.function)
                .is_none_or(|holders| !holders.iter().all(is_stuck)),
            Waits::Calls(calls) => !calls.iter().all(is_stuck),
        };
        can_move.then_some(*id)
    }) {
        stuck.remove(&moves);
    }
    let victim = stuck
        .values()
        .filter(|node| matches!(node.waits, Waits::Slot))
        .max_by_key(|node| (node.task.created_at, node.task.id));
    Ok(victim.map(|node| Deadlock {
        failure: explain(node, &stuck, &holders),
        victim: node.task.clone(),
    }))
}

/// Ends the victim of a deadlock.
///
/// # Errors
/// When it does not wait in a queue any more.
pub fn end_victim(deadlock: Deadlock, now: Timestamp) -> Result<Transition, Refused> {
    match deadlock.victim.state {
        State::Pending { .. } => Ok(end(deadlock.victim, Outcome::Failed(deadlock.failure), now)),
        State::Running { expires_at, .. } => Err(Refused::Leased { until: expires_at }),
        State::Suspended { .. } => Err(Refused::Waiting),
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => Err(Refused::Terminal),
    }
}

type Nodes = BTreeMap<TaskId, Node>;
type Holders = BTreeMap<FunctionName, BTreeSet<TaskId>>;

/// Collects the tasks that wait, and who holds the slots that they wait for; none if there are too many to look at.
fn gather<V: WaitView>(
    starved: &BTreeSet<FunctionName>,
    now: Timestamp,
    view: &mut V,
) -> Result<Option<(Nodes, Holders)>, V::Error> {
    let mut nodes = Nodes::new();
    let mut holders = Holders::new();
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::new();
    for function in starved {
        if let Some(of) = view.holders_if_full(function)? {
            open.extend(of.iter().copied());
            holders.insert(function.clone(), of);
        }
    }
    while let Some(id) = open.pop_front() {
        if !seen.insert(id) {
            continue;
        }
        if seen.len() > NODES_MAX {
            return Ok(None);
        }
        let Some(task) = view.task(id)? else {
            continue;
        };
        let waits = match task.state {
            State::Suspended { wake_at: None } => calls(&view.entries(id)?).map(Waits::Calls),
            State::Pending { run_at } if run_at <= now => {
                if !holders.contains_key(&task.function)
                    && let Some(of) = view.holders_if_full(&task.function)?
                {
                    open.extend(of.iter().copied());
                    holders.insert(task.function.clone(), of);
                }
                holders.contains_key(&task.function).then_some(Waits::Slot)
            }
            State::Pending { .. }
            | State::Running { .. }
            | State::Suspended { .. }
            | State::Completed { .. }
            | State::Failed { .. }
            | State::TimedOut { .. }
            | State::Cancelled { .. } => None,
        };
        if let Some(waits) = waits {
            if let Waits::Calls(calls) = &waits {
                open.extend(calls.iter().copied());
            }
            nodes.insert(id, Node { task, waits });
        }
    }
    Ok(Some((nodes, holders)))
}

/// The calls that a task waits for, if it waits for nothing else.
fn calls(entries: &[EntryHead]) -> Option<Vec<TaskId>> {
    let waiting: Vec<_> = entries.iter().filter(|entry| entry.is_waiting()).collect();
    let only_calls = waiting
        .iter()
        .all(|entry| matches!(entry.operation, Operation::Child { .. }));
    (only_calls && !waiting.is_empty())
        .then(|| waiting.iter().filter_map(|entry| entry.child).collect())
}

/// Follows the cycle from the victim: the slot that it waits for, who holds it, what that waits for, and so on.
fn explain(victim: &Node, stuck: &Nodes, holders: &Holders) -> Failure {
    let mut text = format!(
        "it could only wait for ever: a slot of `{}`",
        victim.task.function
    );
    let mut seen = BTreeSet::new();
    let mut at = Some(victim);
    while let Some(node) = at
        && seen.insert(node.task.id)
        && seen.len() <= SHOWN_MAX
    {
        let (next, how) = match &node.waits {
            Waits::Slot => (
                holders
                    .get(&node.task.function)
                    .and_then(|holders| holders.first()),
                " is held by",
            ),
            Waits::Calls(calls) => (calls.first(), ", which waits for its call of"),
        };
        at = next.and_then(|next| stuck.get(next));
        if let Some(next) = at {
            text.push_str(&format!(
                "{how} `{}` ({})",
                next.task.function, next.task.id
            ));
            if matches!(next.waits, Waits::Slot) {
                text.push_str(&format!(", for which a slot of `{}`", next.task.function));
            }
        }
    }
    text.push_str(
        ". Raise a limit, let a function release its slot with `while_waiting = \"release\"`, or don't let limited functions call each other",
    );
    Failure::new(FailureKind::SlotDeadlock, text)
}

#[cfg(test)]
mod tests;
