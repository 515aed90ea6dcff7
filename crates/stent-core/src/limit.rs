//! How many tasks of a function may hold a slot at once, over all workers of a store.
//!
//! **Invariant:** slots are derived from the tasks' states under the function's lock, never counted up and down.

use std::num::NonZeroU32;

use crate::StateKind;

/// What happens to a task's slot while it is suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhileWaiting {
    /// It keeps its slot: what is limited is instances.
    #[default]
    Hold,
    /// It gives its slot up and waits for one again before it goes on.
    Release,
}

/// A function's limit, as its code declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Tasks that may hold a slot at once.
    pub max_concurrent: NonZeroU32,
    /// What happens to a slot while its task is suspended.
    pub while_waiting: WhileWaiting,
}

/// A number that is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`max_concurrent` is {given}; it must be from 1 to {}: to stop a function, stop its workers or cancel its executions",
    i32::MAX
)]
pub struct LimitError {
    /// The number.
    pub given: i64,
}

impl Limit {
    /// Checks a number; its slots are held while waiting.
    ///
    /// # Errors
    /// When it is below 1 or above `i32::MAX`, the largest that all databases count to.
    pub fn new(max_concurrent: i64) -> Result<Self, LimitError> {
        i32::try_from(max_concurrent)
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .and_then(NonZeroU32::new)
            .map(|max_concurrent| Self {
                max_concurrent,
                while_waiting: WhileWaiting::Hold,
            })
            .ok_or(LimitError {
                given: max_concurrent,
            })
    }
}

/// A limited function's slots at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The limit that counts: an operator's before the declared one.
    pub limit: Limit,
    /// Tasks that hold a slot.
    pub held: u32,
}

impl Slots {
    /// Slots that may be given out. A limit lowered below what is held gives out none.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.limit.max_concurrent.get().saturating_sub(self.held)
    }
}

/// What was said of a function's limit, and by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// By its code.
    pub declared: Option<Limit>,
    /// By an operator, which counts before.
    pub by_operator: Option<NonZeroU32>,
}

impl Limits {
    /// The limits of stored numbers. One that is no limit, which no store writes, stands for 1: whatever it was, no more than that may run.
    ///
    /// ```
    /// use stent_core::limit::{Limit, Limits};
    /// let limits = Limits::from_stored(Some(4), false, Some(-7));
    /// assert_eq!(limits.declared, Limit::new(4).ok());
    /// assert_eq!(limits.effective(), Limit::new(1).ok());
    /// ```
    #[must_use]
    pub fn from_stored(declared: Option<i64>, releases: bool, by_operator: Option<i64>) -> Self {
        let limit = |number| {
            Limit::new(number).map_or(NonZeroU32::MIN, |limit: Limit| limit.max_concurrent)
        };
        let while_waiting = if releases {
            WhileWaiting::Release
        } else {
            WhileWaiting::Hold
        };
        Self {
            declared: declared.map(|number| Limit {
                max_concurrent: limit(number),
                while_waiting,
            }),
            by_operator: by_operator.map(limit),
        }
    }

    /// The limit that counts.
    #[must_use]
    pub fn effective(&self) -> Option<Limit> {
        match self.by_operator {
            Some(max_concurrent) => Some(Limit {
                max_concurrent,
                while_waiting: self
                    .declared
                    .map_or(WhileWaiting::Hold, |limit| limit.while_waiting),
            }),
            None => self.declared,
        }
    }

    /// The limit that begins to count where none did before: from then on some tasks hold a slot ([`holds_from_now`]).
    #[must_use]
    pub fn begun_since(&self, before: &Self) -> Option<Limit> {
        self.effective().filter(|_| before.effective().is_none())
    }
}

/// Whether a task holds a slot from the moment its function becomes limited: a leased one does, and a suspended one that would have kept its slot.
#[must_use]
pub const fn holds_from_now(state: StateKind, limit: Limit) -> bool {
    match state {
        StateKind::Running => true,
        StateKind::Suspended => matches!(limit.while_waiting, WhileWaiting::Hold),
        StateKind::Pending
        | StateKind::Completed
        | StateKind::Failed
        | StateKind::TimedOut
        | StateKind::Cancelled => false,
    }
}

/// Whether a call of a limited function could only wait for its own ancestors' slots: all of them are held by those who wait for it.
#[must_use]
pub fn is_deadlock(slots: &Slots, held_by_ancestors: u32) -> bool {
    held_by_ancestors >= slots.limit.max_concurrent.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_from_1_to_the_largest_that_databases_count_to() {
        for bad in [0, -1, i64::from(i32::MAX) + 1, i64::MIN, i64::MAX] {
            assert_eq!(Limit::new(bad), Err(LimitError { given: bad }));
        }
        assert!(Limit::new(1).is_ok() && Limit::new(i64::from(i32::MAX)).is_ok());
    }

    #[test]
    fn a_stored_number_that_is_no_limit_lets_one_run() {
        for bad in [0, -1, i64::from(i32::MAX) + 1, i64::MIN, i64::MAX] {
            let limits = Limits::from_stored(Some(bad), true, None);
            let effective = limits.effective().unwrap();
            assert_eq!(effective.max_concurrent.get(), 1);
            assert_eq!(effective.while_waiting, WhileWaiting::Release);
            let limits = Limits::from_stored(Some(9), false, Some(bad));
            assert_eq!(limits.effective(), Limit::new(1).ok());
        }
        assert_eq!(Limits::from_stored(None, true, None), Limits::default());
    }

    #[test]
    fn a_limit_lowered_below_what_runs_starts_nothing() {
        let slots = Slots {
            limit: Limit::new(3).unwrap(),
            held: 5,
        };
        assert_eq!(slots.free(), 0);
    }

    #[test]
    fn an_operators_limit_counts_before_the_declared_one() {
        let declared = Limit::new(3).ok();
        let by_operator = NonZeroU32::new(2);
        let both = Limits {
            declared,
            by_operator,
        };
        assert_eq!(both.effective().unwrap().max_concurrent.get(), 2);
        let only_declared = Limits {
            declared,
            ..Limits::default()
        };
        assert_eq!(only_declared.effective(), declared);
        assert_eq!(Limits::default().effective(), None);
    }

    #[test]
    fn a_limit_begins_only_where_none_counted() {
        let declared = Limits {
            declared: Limit::new(3).ok(),
            ..Limits::default()
        };
        let overruled = Limits {
            by_operator: NonZeroU32::new(2),
            ..declared
        };
        let none = Limits::default();
        assert_eq!(declared.begun_since(&none), declared.declared);
        assert_eq!(overruled.begun_since(&none), overruled.effective());
        assert_eq!(overruled.begun_since(&declared), None);
        assert_eq!(none.begun_since(&declared), None);
    }

    #[test]
    fn what_is_not_held_is_free() {
        let limit = Limit::new(3).unwrap();
        let free = |held| Slots { limit, held }.free();
        assert_eq!([free(0), free(2), free(3)], [3, 1, 0]);
    }

    #[test]
    fn what_runs_holds_a_slot_from_the_moment_of_a_limit_and_what_waits_if_it_would_keep_one() {
        let holds = Limit::new(1).unwrap();
        let releases = Limit {
            while_waiting: WhileWaiting::Release,
            ..holds
        };
        assert!(holds_from_now(StateKind::Running, holds));
        assert!(holds_from_now(StateKind::Running, releases));
        assert!(holds_from_now(StateKind::Suspended, holds));
        assert!(!holds_from_now(StateKind::Suspended, releases));
        assert!(!holds_from_now(StateKind::Pending, holds));
        assert!(!holds_from_now(StateKind::Completed, holds));
    }

    #[test]
    fn a_call_waits_in_vain_when_those_above_it_hold_every_slot() {
        let slots = Slots {
            limit: Limit::new(2).unwrap(),
            held: 2,
        };
        assert!(!is_deadlock(&slots, 1));
        assert!(is_deadlock(&slots, 2));
        assert!(is_deadlock(&slots, 3), "the limit was lowered");
    }
}
