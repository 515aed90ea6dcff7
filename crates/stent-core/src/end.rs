//! The one way in which a task ends, by whatever path: its outcome, its parent's history and wake-up, its slot, its children, its execution.

use crate::{Effect, Hint, Outcome, State, Task, Timestamp, transition::Transition};

/// Ends a task that is not terminal. The caller has checked that it may.
pub(crate) fn end(mut task: Task, outcome: Outcome, now: Timestamp) -> Transition {
    task.state = match &outcome {
        Outcome::Completed(_) => State::Completed { at: now },
        Outcome::Failed(_) => State::Failed { at: now },
        Outcome::TimedOut(_) => State::TimedOut { at: now },
        Outcome::Cancelled => State::Cancelled { at: now },
    };
    let freed = Hint::slot_freed(&task);
    task.holds_slot = false;
    task.cancel_requested = false;
    let parent = task.parent;
    let execution = task.execution;
    let has_operations = task.operations > 0;
    let mut transition = Transition::new(task)
        .with(Effect::KeepOutcome(outcome))
        .hinting(freed);
    if has_operations {
        transition = transition
            .with(Effect::DropSignalWaits)
            .with(Effect::CancelDescendants);
    }
    match parent {
        Some(parent) => transition.with(Effect::RecordInParent {
            parent: parent.task,
            position: parent.position,
        }),
        None => transition.with(Effect::Hint(Hint::Ended { execution })),
    }
}
