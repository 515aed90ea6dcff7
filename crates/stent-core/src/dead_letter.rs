//! Dead letters: executions that failed with no retry left. They are kept for inspection and can be replayed as a whole.

use crate::{
    Crashes, Effect, Hint, State, Task, Timestamp,
    history::Kept,
    transition::{Refused, Transition},
};

/// Puts a dead letter back into the queue, due now, with its attempts and crashes counted anew and without a deadline. Of its history
/// stays what [`crate::history::keep_for_replay`] keeps; the caller removes the rest.
///
/// # Errors
/// When it is not the root of an execution, or has not failed.
pub fn replay(mut task: Task, kept: &Kept, now: Timestamp) -> Result<Transition, Refused> {
    match task.state {
        State::Failed { .. } if task.is_root() => {}
        State::Failed { .. } => return Err(Refused::NotRoot),
        State::Pending { .. }
        | State::Running { .. }
        | State::Suspended { .. }
        | State::Completed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => return Err(Refused::NotDeadLetter),
    }
    task.state = State::Pending { run_at: now };
    task.queued_at = now;
    task.failed_attempts = 0;
    task.crashes = Crashes::default();
    task.deadline = None;
    task.attempt_ends = None;
    forget(&mut task, kept);
    let hint = Hint::due(&task);
    Ok(Transition::new(task).with(Effect::Hint(hint)))
}

/// Counts what stays of a task's history.
pub(crate) fn forget(task: &mut Task, kept: &Kept) {
    let removed = u32::try_from(kept.removed.len()).unwrap_or(u32::MAX);
    task.operations = task.operations.saturating_sub(removed);
    task.deliveries = kept.deliveries;
}
