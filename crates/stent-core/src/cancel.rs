//! Cancellation and deadlines, which reach a whole tree.

use crate::{
    Effect, Hint, Outcome, State, Task, Timestamp,
    end::end,
    lease::deadline_outcome,
    transition::{Refused, Transition},
};

/// Asks a task to stop. One that nobody runs is cancelled at once, with all below it. A running one is marked: its holder stops the body and
/// then ends it as cancelled, whatever the body had answered; a holder that is gone is relieved when its lease runs out.
///
/// Asking again changes nothing.
///
/// # Errors
/// [`Refused::Terminal`] when the task has ended.
pub fn request(mut task: Task, now: Timestamp) -> Result<Transition, Refused> {
    match task.state {
        State::Pending { .. } | State::Suspended { .. } => Ok(end(task, Outcome::Cancelled, now)),
        State::Running { .. } if task.cancel_requested => Ok(Transition::new(task)),
        State::Running { .. } => {
            task.cancel_requested = true;
            let hint = Hint::CancelRequested { task: task.id };
            Ok(Transition::new(task)
                .with(Effect::CancelDescendants)
                .with(Effect::Hint(hint)))
        }
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => Err(Refused::Terminal),
    }
}

/// Ends a task whose deadline passed and that nobody runs. Of a running one it is its holder's duty, or [`crate::lease::ran_out`]'s.
///
/// # Errors
/// When the deadline has not passed, the task is leased, or it has ended.
pub fn deadline_passed(task: Task, now: Timestamp) -> Result<Transition, Refused> {
    match task.state {
        State::Pending { .. } | State::Suspended { .. } if task.is_overdue(now) => {
            Ok(end(task, deadline_outcome(), now))
        }
        State::Pending { .. } | State::Suspended { .. } => Err(Refused::Waiting),
        State::Running { expires_at, .. } => Err(Refused::Leased { until: expires_at }),
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => Err(Refused::Terminal),
    }
}
