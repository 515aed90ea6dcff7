//! What must be true of everything that can be seen, after every operation, whatever it was.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{HistoryEntry, State, StateKind, Task, TaskId};

use super::operations::Operation;
use crate::visible::{SeenTask, Visible};

/// Checks what can be seen after an operation, and what it changed.
///
/// # Errors
/// With the invariant that is broken, and by what.
pub(super) fn check(
    before: &Visible,
    after: &Visible,
    operation: &Operation,
) -> Result<(), String> {
    let tasks = by_id(after);
    is_whole(after)?;
    limits_are_kept(before, after, operation)?;
    for old in &before.tasks {
        let new = tasks.get(&old.task.id).map(|seen| &seen.task);
        task_went_on_lawfully(&old.task, new, operation)?;
    }
    Ok(())
}

/// Checks what can be seen at one moment.
///
/// # Errors
/// With the invariant that is broken, and by what.
pub(super) fn is_whole(visible: &Visible) -> Result<(), String> {
    let tasks = by_id(visible);
    for seen in &visible.tasks {
        state_is_whole(&seen.task)?;
        history_is_whole(seen)?;
        children_and_parents_agree(seen, &tasks)?;
    }
    signals_are_received_once(&visible.tasks)?;
    slots_are_what_is_held(visible)
}

fn by_id(visible: &Visible) -> BTreeMap<TaskId, &SeenTask> {
    let tasks = visible.tasks.iter();
    tasks.map(|seen| (seen.task.id, seen)).collect()
}

fn require(holds: bool, what: &str, of: &dyn std::fmt::Debug) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what}, but: {of:?}"))
    }
}

/// S8: what a state says and what stands beside it agree.
fn state_is_whole(task: &Task) -> Result<(), String> {
    let kind = task.state.kind();
    require(
        task.state.due_at().is_none_or(|at| at == task.queued_at),
        "S1: a task's age is the instant at which it is due",
        task,
    )?;
    require(
        !task.holds_slot || matches!(kind, StateKind::Running | StateKind::Suspended),
        "S4: only what is leased or suspended holds a slot",
        task,
    )?;
    require(
        !task.cancel_requested || kind == StateKind::Running,
        "S8: only a holder is asked to stop; all else is stopped at once",
        task,
    )
}

/// S6: ordinals have no gap, none is given out twice, and what is counted is there.
fn history_is_whole(seen: &SeenTask) -> Result<(), String> {
    let SeenTask { task, history } = seen;
    let ordinals = history
        .iter()
        .filter_map(|entry| entry.head.resolved?.ordinal);
    let mut ordinals: Vec<u32> = ordinals.map(|ordinal| ordinal.0).collect();
    ordinals.sort_unstable();
    require(
        ordinals.iter().copied().eq(1..=task.deliveries.0),
        "S6: the outcomes of a task have the places 1, 2, 3 … up to its deliveries",
        seen,
    )?;
    require(
        history.len() == task.operations as usize,
        "S6: a task's operations are the entries of its history",
        seen,
    )?;
    require(
        history.is_sorted_by_key(|entry| entry.head.position),
        "S6: a history is read by position",
        seen,
    )?;
    require(
        history
            .iter()
            .all(|entry| entry.outcome.is_some() == entry.head.resolved.is_some()),
        "S2: an operation is resolved exactly when it has an outcome",
        seen,
    )?;
    let waits_for_time_only = matches!(task.state, State::Suspended { wake_at: None });
    require(
        !waits_for_time_only || history.iter().any(|entry| entry.head.is_waiting()),
        "L3: a suspended task waits for something that can happen",
        seen,
    )
}

/// S7 and S22: an ended child is recorded with its parent, and below what has ended nothing goes on.
fn children_and_parents_agree(
    seen: &SeenTask,
    tasks: &BTreeMap<TaskId, &SeenTask>,
) -> Result<(), String> {
    let task = &seen.task;
    for entry in &seen.history {
        let Some(child) = entry.head.child.and_then(|id| tasks.get(&id)) else {
            require(
                entry.head.child.is_none(),
                "S9: a call's child exists",
                seen,
            )?;
            continue;
        };
        let child = &child.task;
        let link = child.parent.map(|parent| (parent.task, parent.position));
        require(
            link == Some((task.id, entry.head.position)) && child.execution == task.execution,
            "S7: a child belongs to the call that made it",
            &(task, child),
        )?;
        let ended = child.state.kind().is_terminal();
        let resolved = entry.head.resolved.is_some();
        require(
            ended == resolved || (ended && task.state.kind().is_terminal()),
            "S7: a child's end is recorded with its parent at once",
            &(task, entry, child),
        )?;
    }
    let Some(parent) = task.parent else {
        return require(
            task.id.as_root() == task.execution,
            "a root is its execution",
            task,
        );
    };
    let above = tasks.get(&parent.task);
    require(above.is_some(), "S9: no task is an orphan", task)?;
    let parent_ended = above.is_some_and(|above| above.task.state.kind().is_terminal());
    let stops = task.state.kind().is_terminal() || task.cancel_requested;
    require(
        !parent_ended || stops,
        "S22: below a task that has ended, nothing goes on",
        task,
    )
}

/// S21: no two operations that still count received one signal.
fn signals_are_received_once(tasks: &[SeenTask]) -> Result<(), String> {
    let mut received = BTreeSet::new();
    let entries = tasks.iter().flat_map(|seen| &seen.history);
    let counting = entries.filter(|entry: &&HistoryEntry| !entry.head.abandoned);
    for signal in counting.filter_map(|entry| entry.head.signal) {
        require(
            received.insert(signal),
            "S21: a signal is received once",
            &signal,
        )?;
    }
    Ok(())
}

/// S4: what is recorded as used equals what is held.
fn slots_are_what_is_held(visible: &Visible) -> Result<(), String> {
    for function in &visible.functions {
        if function.limits.effective().is_some() {
            let holding = visible.tasks.iter().map(|seen| &seen.task);
            let holding = holding.filter(|task| task.holds_slot && task.function == function.name);
            require(
                function.slots_held as usize == holding.count(),
                "S4: slots are the tasks that hold one",
                function,
            )?;
        }
    }
    Ok(())
}

/// S4: more slots are held than the limit allows only where a limit was changed below what was held, and then no more are added.
fn limits_are_kept(before: &Visible, after: &Visible, operation: &Operation) -> Result<(), String> {
    if matches!(
        operation,
        Operation::SetLimit { .. } | Operation::Declare(_)
    ) {
        return Ok(());
    }
    for function in &after.functions {
        let Some(limit) = function.limits.effective() else {
            continue;
        };
        let mut old = before.functions.iter();
        let old = old.find(|old| old.name == function.name);
        let allowed = old.map_or(0, |old| old.slots_held);
        require(
            function.slots_held <= limit.max_concurrent.get().max(allowed),
            "S4: a limit holds at every instant",
            function,
        )?;
    }
    Ok(())
}

/// S3, S8, S9: tokens grow; what has ended stays as it ended, but for a replay; only a cleanup takes away, and only what has ended.
fn task_went_on_lawfully(
    old: &Task,
    new: Option<&Task>,
    operation: &Operation,
) -> Result<(), String> {
    let Some(new) = new else {
        let lawful = matches!(operation, Operation::CleanUp { .. });
        return require(
            lawful && old.state.kind().is_terminal(),
            "S9: only a cleanup deletes, and only what has ended",
            &(old, operation),
        );
    };
    let token_grew = new.fence.token > old.fence.token;
    require(
        token_grew || new.fence == old.fence,
        "S3: a task's fence changes only for one with a larger token",
        &(old, new),
    )?;
    let is_dead_letter = matches!(old.state, State::Failed { .. }) && old.is_root();
    let may_be_replayed = is_dead_letter && matches!(operation, Operation::Replay(_));
    require(
        !old.state.kind().is_terminal() || may_be_replayed || new == old,
        "S8: what has ended stays as it is",
        &(old, new),
    )
}
