//! What must be true once faults have stopped and everything had its time.

use std::collections::BTreeMap;

use stent::store::{ExecutionRecord, Failure, FailureKind, Outcome, TaskRecord};

use crate::{
    record::{Dealt, Record},
    scenario::Fault,
    work::{Function, Item, Node},
    world::World,
};

/// Crashes with nothing else to blame after which workers of the world give a task up.
pub(crate) const CRASHES: usize = 3;

/// Whether everything has ended that is to end.
pub(crate) fn is_over(world: &World) -> bool {
    let ended = world
        .executions()
        .iter()
        .all(|record| record.root.task.state.ended_at().is_some());
    let record = world.record();
    let heard = world.scenario.items.iter().all(|item| {
        let dealt = &record.dealt[item.number];
        // Who asks under a key asks until it is told.
        let gave_up = dealt.acknowledged.is_none() && !item.keyed;
        dealt.began && (gave_up || !dealt.told.is_empty() || dealt.lost)
    });
    drop(record);
    ended
        && heard
        && world
            .tasks()
            .iter()
            .all(|task| task.task.state.ended_at().is_some())
}

/// Judges the end.
pub(crate) fn judge(world: &World) {
    let mut wrong = Vec::new();
    let (executions, tasks) = (world.executions(), world.tasks());
    let mut by_item: BTreeMap<u32, Vec<&ExecutionRecord>> = BTreeMap::new();
    let record = world.record();
    let all = executions.iter().chain(record.gone.values());
    for execution in all {
        if let Some(node) = node_of(&execution.root) {
            by_item.entry(node.number).or_default().push(execution);
        }
    }
    for item in &world.scenario.items {
        let made = by_item.remove(&item.node.number).unwrap_or_default();
        let dealt = &record.dealt[item.number];
        judge_item(world, &record, item, dealt, &made, &mut wrong);
    }
    for task in &tasks {
        judge_task(world, &record, task, &mut wrong);
    }
    judge_children(&record, &tasks, &mut wrong);
    drop(record);
    judge_signals(world, &tasks, &mut wrong);
    for what in wrong {
        world.broke(what);
    }
}

pub(crate) fn node_of(root: &TaskRecord) -> Option<Node> {
    let input = root.input.as_ref()?;
    serde_json::from_str(input.as_str()).ok()
}

/// S1, S2, S11, L1, L3: what was asked for is there, once, and ended as it was told.
fn judge_item(
    world: &World,
    record: &Record,
    item: &Item,
    dealt: &Dealt,
    made: &[&ExecutionRecord],
    wrong: &mut Vec<String>,
) {
    let Some(id) = dealt.acknowledged else { return };
    let found = made.iter().find(|made| made.root.task.execution == id);
    if found.is_none() && dealt.lost {
        return;
    }
    let Some(execution) = found else {
        wrong.push(format!(
            "S1: execution {id} of item {} was acknowledged, and is not there",
            item.number
        ));
        return;
    };
    if made.len() > 1
        && !made
            .iter()
            .any(|made| record.gone.contains_key(&made.root.task.execution))
        && item.keyed
    {
        wrong.push(format!(
            "S11: item {} was made {} times under one key",
            item.number,
            made.len()
        ));
    }
    let root = &execution.root;
    if root.task.state.ended_at().is_none() {
        wrong.push(format!(
            "L1, L3: item {} did not end: {:?}",
            item.number, root.task
        ));
        return;
    }
    let Some(outcome) = &root.outcome else {
        wrong.push(format!(
            "S2: item {} has ended without an outcome: {:?}",
            item.number, root.task
        ));
        return;
    };
    if dealt.lives == 0 && dealt.told.iter().any(|told| told != outcome) {
        wrong.push(format!(
            "S2: of item {} its client was told {:?}, and others {outcome:?}",
            item.number, dealt.told
        ));
    }
    judge_outcome(world, item, dealt, outcome, wrong);
}

/// Whether an execution may have ended so.
fn judge_outcome(
    world: &World,
    item: &Item,
    dealt: &Dealt,
    outcome: &Outcome,
    wrong: &mut Vec<String>,
) {
    let allowed = match outcome {
        Outcome::Completed(payload) => {
            let expected = serde_json::Value::String(item.returns()).to_string();
            item.function != Function::Hopeless && payload.as_str() == expected
        }
        Outcome::Cancelled => dealt.asked_to_cancel,
        Outcome::TimedOut(_) => item.deadline.is_some(),
        Outcome::Failed(failure) => match failure.kind() {
            FailureKind::Error if item.function == Function::Hopeless => true,
            // No attempt begins after the deadline.
            FailureKind::Error
                if item.function == Function::Persistent && item.deadline.is_some() =>
            {
                true
            }
            FailureKind::Error | FailureKind::Crashes | FailureKind::SlotDeadlock => {
                may_fail(world, item, failure)
            }
            _ => false,
        },
    };
    if !allowed {
        wrong.push(format!(
            "S2, S6, S19: item {} ended as {outcome:?}; expected of {:?} is {}",
            item.number,
            item.function,
            item.returns()
        ));
    }
}

/// What can befall a task through no fault of its code: its worker is lost again and again, or it calls what its own caller holds the slots of.
fn may_fail(world: &World, item: &Item, failure: &Failure) -> bool {
    let text = format!("{failure:?}");
    let workers_are_lost = [
        Fault::Kill,
        Fault::Pause,
        Fault::Outage,
        Fault::LostRequest,
        Fault::LostAnswer,
        Fault::Silence,
        Fault::Slow,
        Fault::StoreClock,
        Fault::Loss,
    ];
    let mut items = world.scenario.items.iter();
    let poison = items.any(|item| item.node.calls(Function::Poison));
    let condemned = text.contains("its worker was lost");
    let deadlock = text.contains("could only wait for");
    // Without renewal, work that takes longer than its lease is never done.
    condemned
        && (!world.scenario.renew
            || poison
            || workers_are_lost
                .iter()
                .any(|fault| world.scenario.has(*fault)))
        || deadlock && item.function == Function::Limited
}

/// S4, S8, S13: what is left of a task.
fn judge_task(world: &World, record: &Record, record_of: &TaskRecord, wrong: &mut Vec<String>) {
    let task = &record_of.task;
    let max = 3;
    if task.failed_attempts >= max {
        wrong.push(format!(
            "S13: a task was tried more often than its policy says: {task:?}"
        ));
    }
    if task.state.ended_at().is_none() {
        wrong.push(format!("L1: a task did not end: {task:?}"));
    }
    if task.holds_slot && task.state.ended_at().is_some() {
        wrong.push(format!("S4, L4: a task that ended holds a slot: {task:?}"));
    }
    let condemned = matches!(&record_of.outcome, Some(Outcome::Failed(failure)) if failure.kind() == FailureKind::Crashes);
    let begun = record.bodies.iter().filter(|body| body.task == task.id);
    // A suspect says that it begins before it does. Where the answer to that is lost, or late, it counts as begun and was not.
    let answers_come = ![
        Fault::LostAnswer,
        Fault::Silence,
        Fault::Slow,
        Fault::Pause,
        Fault::Outage,
    ]
    .iter()
    .any(|fault| world.scenario.has(*fault));
    if condemned && answers_come && begun.count() < CRASHES {
        wrong.push(format!(
            "S19: a task was condemned that had not begun so often: {task:?}"
        ));
    }
    let attempts = record
        .bodies
        .iter()
        .filter(|body| body.task == task.id)
        .map(|body| body.attempt)
        .max();
    if attempts.is_some_and(|attempts| attempts > max) {
        wrong.push(format!("S13: an attempt {attempts:?} of {task:?}"));
    }
}

/// S7: one child for each call, but for those that a further attempt made anew.
fn judge_children(record: &Record, tasks: &[TaskRecord], wrong: &mut Vec<String>) {
    let replayed = |id| {
        let mut dealt = record.dealt.iter();
        dealt.any(|dealt| dealt.acknowledged == Some(id) && dealt.lives > 0)
    };
    let mut children: BTreeMap<_, u32> = BTreeMap::new();
    for task in tasks {
        if let Some(link) = task.task.parent {
            *children.entry((link.task, link.position.0)).or_default() += 1;
        }
    }
    for ((parent, position), count) in children {
        let parent = tasks.iter().find(|task| task.task.id == parent);
        let Some(parent) = parent else {
            wrong.push("S9: a child is left whose parent is gone".to_owned());
            continue;
        };
        let anew = parent.task.failed_attempts > 0 || replayed(parent.task.execution);
        if count > 1 && !anew {
            wrong.push(format!(
                "S7: call {position} of {:?} made {count} children",
                parent.task
            ));
        }
    }
}

/// S21: each signal was received at most once. The workload gives every signal a text of its own.
fn judge_signals(world: &World, tasks: &[TaskRecord], wrong: &mut Vec<String>) {
    let mut received: BTreeMap<String, u32> = BTreeMap::new();
    for task in tasks {
        for entry in world.history(task.task.id) {
            // A wait that was given up keeps what it was given, but another receives it.
            if !entry.head.abandoned
                && let Some(Outcome::Completed(payload)) = &entry.outcome
                && payload.as_str().starts_with("\"says ")
            {
                *received.entry(payload.as_str().to_owned()).or_default() += 1;
            }
        }
    }
    for (signal, times) in received.into_iter().filter(|(_, times)| *times > 1) {
        wrong.push(format!("S21: signal {signal} was received {times} times"));
    }
}
