//! The exclusive right to run and to change one task, until a time, under a fence.
//!
//! **Invariant:** the fence decides a write, never the time. Whoever has the newest fence may still commit after the lease's time, as long
//! as nobody took the task over.

use std::time::Duration;

use crate::{
    ClaimMark, Effect, Failure, FailureKind, Fence, Hint, Outcome, State, Task, Timestamp,
    WorkerName, defaults,
    end::end,
    transition::{Refused, Transition},
};

/// How long a lease runs: 10 ms to a year. Default 5 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseDuration(Duration);

/// A duration that is no [`LeaseDuration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a lease of {given:?} is not possible; it must be from {:?} to {:?}",
    defaults::LEASE_MIN,
    defaults::LEASE_MAX
)]
pub struct LeaseDurationError {
    /// The duration.
    pub given: Duration,
}

impl LeaseDuration {
    /// Checks a duration.
    ///
    /// # Errors
    /// When it is shorter than 10 ms or longer than a year.
    pub fn new(duration: Duration) -> Result<Self, LeaseDurationError> {
        if (defaults::LEASE_MIN..=defaults::LEASE_MAX).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(LeaseDurationError { given: duration })
        }
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// How long after a claim or renewal the next renewal is sent.
    #[must_use]
    pub fn renew_after(self) -> Duration {
        self.0
            .checked_div(defaults::RENEW_FRACTION)
            .unwrap_or(self.0)
    }

    /// How long after a claim or renewal was *sent* its holder stops running the body: a tenth of the lease before it can have run out,
    /// two seconds at most, which is the time that dropping a body may take.
    #[must_use]
    pub fn hold_for(self) -> Duration {
        let margin = self
            .0
            .checked_div(10)
            .unwrap_or_default()
            .min(Duration::from_secs(2));
        self.0.saturating_sub(margin)
    }
}

impl Default for LeaseDuration {
    fn default() -> Self {
        Self(defaults::LEASE_DURATION)
    }
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The worker.
    pub holder: WorkerName,
    /// The random mark of this claim.
    pub mark: ClaimMark,
    /// How long the lease runs.
    pub duration: LeaseDuration,
}

/// Gives the right to run a task that is due. A limited function's task holds a slot from now on; the caller has checked that one is free.
///
/// # Errors
/// When the task is not due, leased, waiting, overdue or terminal.
pub fn claim(
    mut task: Task,
    terms: &LeaseTerms,
    limited: bool,
    now: Timestamp,
) -> Result<Transition, Refused> {
    match task.state {
        State::Pending { run_at } if run_at <= now => {}
        State::Pending { run_at } => return Err(Refused::NotDue { run_at }),
        State::Suspended { wake_at: Some(at) } if at <= now => {}
        State::Suspended {
            wake_at: Some(run_at),
        } => return Err(Refused::NotDue { run_at }),
        State::Suspended { wake_at: None } => return Err(Refused::Waiting),
        State::Running { expires_at, .. } => return Err(Refused::Leased { until: expires_at }),
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => return Err(Refused::Terminal),
    }
    if task.is_overdue(now) {
        return Err(Refused::Overdue);
    }
    task.fence = Fence {
        token: task.fence.token.next(),
        mark: terms.mark,
    };
    task.commits = 0;
    task.holds_slot |= limited;
    task.state = State::Running {
        holder: terms.holder.clone(),
        expires_at: now.saturating_add(terms.duration.get()),
    };
    Ok(Transition::new(task))
}

/// Whether a fence is the newest one of a task that is running.
///
/// # Errors
/// [`Refused::LeaseLost`] when it is not.
pub fn check(task: &Task, fence: Fence) -> Result<(), Refused> {
    match task.state {
        State::Running { .. } if task.fence == fence => Ok(()),
        State::Running { .. }
        | State::Pending { .. }
        | State::Suspended { .. }
        | State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => Err(Refused::LeaseLost),
    }
}

/// Extends a lease; it never becomes shorter.
///
/// # Errors
/// [`Refused::LeaseLost`] when the fence is not the newest one of a running task.
pub fn renew(
    mut task: Task,
    fence: Fence,
    duration: LeaseDuration,
    now: Timestamp,
) -> Result<Transition, Refused> {
    check(&task, fence)?;
    if let State::Running { expires_at, .. } = &mut task.state {
        *expires_at = now.saturating_add(duration.get()).max(*expires_at);
    }
    Ok(Transition::new(task))
}

/// Gives a lease back without an attempt or a crash being counted: the task keeps its age. It is due at once, also if the clock was set back since
/// it was queued.
pub(crate) fn release(mut task: Task, now: Timestamp) -> Transition {
    let freed = Hint::slot_freed(&task);
    task.holds_slot = false;
    task.queued_at = task.queued_at.min(now);
    task.state = State::Pending {
        run_at: task.queued_at,
    };
    let hint = Hint::due(&task);
    Transition::new(task)
        .with(Effect::Hint(hint))
        .hinting(freed)
}

/// How many crashes as a suspect make a dead letter: 1 at least.
pub type CrashLimit = std::num::NonZeroU32;

/// Takes a task from a holder whose lease ran out: it goes back to the queue with its age and without its slot, or ends, because it was to be
/// cancelled, its deadline passed, or it crashed its workers too often.
///
/// A crash counts towards the limit only if the task was a suspect and its body had been started, which the holder of a suspect commits first.
///
/// # Errors
/// When the task is not running, or its lease still runs.
pub fn ran_out(
    mut task: Task,
    crash_limit: CrashLimit,
    now: Timestamp,
) -> Result<Transition, Refused> {
    let holder = match &task.state {
        State::Running { expires_at, .. } if now < *expires_at => {
            return Err(Refused::Leased { until: *expires_at });
        }
        State::Running { holder, .. } => holder.clone(),
        State::Pending { .. } | State::Suspended { .. } => return Err(Refused::Waiting),
        State::Completed { .. }
        | State::Failed { .. }
        | State::TimedOut { .. }
        | State::Cancelled { .. } => return Err(Refused::Terminal),
    };
    let counts = task.crashes.is_suspect() && task.commits > 0;
    task.crashes.total = task.crashes.total.saturating_add(1);
    if counts {
        task.crashes.as_suspect = task.crashes.as_suspect.saturating_add(1);
    }
    if task.cancel_requested {
        return Ok(end(task, Outcome::Cancelled, now));
    }
    if task.is_overdue(now) {
        return Ok(end(task, deadline_outcome(), now));
    }
    if task.crashes.as_suspect >= crash_limit.get() {
        let failure = Failure::new(
            FailureKind::Crashes,
            format!(
                "its worker was lost {} times while it ran, {} times with nothing else to blame; the last one was `{holder}`. \
                 Find out what kills the process (memory, abort, a lease that is not renewed), then replay it",
                task.crashes.total, task.crashes.as_suspect
            ),
        );
        return Ok(end(task, Outcome::Failed(failure), now));
    }
    Ok(release(task, now))
}

/// The outcome of a task whose deadline passed.
pub(crate) fn deadline_outcome() -> Outcome {
    Outcome::TimedOut(Failure::new(
        FailureKind::Deadline,
        "its deadline passed before it had ended",
    ))
}
