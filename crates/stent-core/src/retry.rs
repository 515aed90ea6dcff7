//! Attempts and the delays between them.

use std::time::Duration;

use crate::{Failure, Task, Timestamp, defaults};

/// When a failed attempt is followed by another, and after how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    backoff: f64,
    max_delay: Duration,
    jitter: f64,
    explicit: bool,
}

/// Why numbers are no retry policy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryPolicyError {
    /// No attempt at all.
    #[error("`max_attempts` is 0; it counts the first attempt too, so 1 means no retry")]
    NoAttempts,
    /// The factor is below 1, or not finite.
    #[error("`backoff` is {0}; it must be a finite factor of at least 1")]
    Backoff(f64),
    /// The jitter is not a fraction.
    #[error("`jitter` is {0}; it must be a fraction from 0 to 1")]
    Jitter(f64),
}

impl Default for RetryPolicy {
    /// 3 attempts, 1 s, twice as long each time, 60 s at most, ± 10 %; it holds only for a function that made no durable call.
    fn default() -> Self {
        Self {
            max_attempts: defaults::RETRY_MAX_ATTEMPTS,
            initial_delay: defaults::RETRY_INITIAL_DELAY,
            backoff: defaults::RETRY_BACKOFF,
            max_delay: defaults::RETRY_MAX_DELAY,
            jitter: defaults::RETRY_JITTER,
            explicit: false,
        }
    }
}

impl RetryPolicy {
    /// A policy that a function states itself, from the defaults: it holds for every failure of the function.
    #[must_use]
    pub fn stated() -> Self {
        Self {
            explicit: true,
            ..Self::default()
        }
    }

    /// Attempts in all, the first one included. Default 3.
    ///
    /// # Errors
    /// When it is 0.
    pub fn max_attempts(mut self, attempts: u32) -> Result<Self, RetryPolicyError> {
        if attempts == 0 {
            return Err(RetryPolicyError::NoAttempts);
        }
        self.max_attempts = attempts;
        Ok(self)
    }

    /// The delay before the second attempt. Default 1 s.
    #[must_use]
    pub const fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// No delay is longer. Default 60 s. One that is shorter than the default of the first delay bounds that too; one that is shorter than a first
    /// delay that was stated is not kept to.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        if self.initial_delay == defaults::RETRY_INITIAL_DELAY {
            self.initial_delay = delay.min(self.initial_delay);
        }
        self
    }

    /// By how much each further delay is longer. Default 2.
    ///
    /// # Errors
    /// When it is below 1 or not finite.
    pub fn backoff(mut self, factor: f64) -> Result<Self, RetryPolicyError> {
        if !factor.is_finite() || factor < 1.0 {
            return Err(RetryPolicyError::Backoff(factor));
        }
        self.backoff = factor;
        Ok(self)
    }

    /// The fraction by which delays are spread either way. Default 0.1.
    ///
    /// # Errors
    /// When it is not from 0 to 1.
    pub fn jitter(mut self, fraction: f64) -> Result<Self, RetryPolicyError> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(RetryPolicyError::Jitter(fraction));
        }
        self.jitter = fraction;
        Ok(self)
    }

    /// The delay after a number of failed attempts (1 or more), for a random number from 0 up to 1.
    ///
    /// Never longer than the longest delay and its jitter, whatever the numbers; a first delay that is longer holds for all.
    #[must_use]
    pub fn delay(&self, failed_attempts: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failed_attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.max_delay.max(self.initial_delay).as_secs_f64();
        let grown = self.initial_delay.as_secs_f64() * self.backoff.powi(exponent);
        // `min` also answers for infinity; zero times infinity is no number and means zero.
        let delay = if grown.is_nan() {
            0.0
        } else {
            grown.min(longest)
        };
        let random = if random.is_finite() {
            random.clamp(0.0, 1.0)
        } else {
            0.5
        };
        let spread = delay * (1.0 + self.jitter * (2.0 * random - 1.0));
        Duration::try_from_secs_f64(spread.max(0.0)).unwrap_or(Duration::MAX)
    }
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt after this delay.
    Retry {
        /// The delay.
        delay: Duration,
    },
    /// The failure is final.
    GiveUp,
}

/// Decides what follows a failed attempt of a task.
///
/// A function that made durable calls is retried only if it states a policy itself: its children had their attempts already, and attempts must
/// not multiply down a tree. What [`crate::Operation::is_call`] counts as a call. No attempt begins after the deadline.
#[must_use]
pub fn after_failure(
    policy: &RetryPolicy,
    task: &Task,
    made_calls: bool,
    failure: &Failure,
    now: Timestamp,
    random: f64,
) -> AfterFailure {
    if !failure.kind().may_be_retried()
        || task.attempt() >= policy.max_attempts
        || (made_calls && !policy.explicit)
    {
        return AfterFailure::GiveUp;
    }
    let delay = policy.delay(task.attempt(), random);
    match task.deadline {
        Some(deadline) if now.saturating_add(delay) >= deadline => AfterFailure::GiveUp,
        Some(_) | None => AfterFailure::Retry { delay },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_the_longest_and_its_jitter(
            initial in any::<u64>(), longest in any::<u64>(), factor in 1.0f64..1e300, jitter in 0.0f64..=1.0,
            failed in any::<u32>(), random in any::<f64>(),
        ) {
            let longest = Duration::from_millis(longest / 4_000);
            let first = Duration::from_millis(initial / 4_000);
            let policy = RetryPolicy::stated()
                .initial_delay(first)
                .max_delay(longest)
                .backoff(factor).unwrap()
                .jitter(jitter).unwrap();
            let most = longest.max(first).as_secs_f64() * (1.0 + jitter) * 1.000_001 + 1e-6;
            prop_assert!(policy.delay(failed, random).as_secs_f64() <= most);
        }

        #[test]
        fn without_jitter_delays_grow_by_the_factor_up_to_the_longest(failed in 1u32..10) {
            let policy = RetryPolicy::stated().jitter(0.0).unwrap();
            let expected = Duration::from_secs(1 << (failed - 1)).min(Duration::from_secs(60));
            prop_assert_eq!(policy.delay(failed, 0.9), expected);
        }
    }

    #[test]
    fn a_first_delay_above_the_longest_is_kept() {
        let first = Duration::from_secs(300);
        let policy = RetryPolicy::stated().initial_delay(first);
        let policy = policy.jitter(0.0).unwrap();
        assert_eq!(policy.delay(1, 0.5), first);
        assert_eq!(policy.delay(2, 0.5), first);
    }

    #[test]
    fn a_longest_delay_below_the_default_of_the_first_bounds_that_too() {
        let longest = Duration::from_millis(500);
        let policy = RetryPolicy::stated().max_delay(longest).jitter(0.0);
        assert_eq!(policy.unwrap().delay(1, 0.5), longest);
    }

    #[test]
    fn jitter_spreads_what_failed_together() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, 0.0), Duration::from_millis(900));
        assert_eq!(policy.delay(1, 0.5), Duration::from_secs(1));
        assert_eq!(policy.delay(1, 1.0), Duration::from_millis(1_100));
    }

    #[test]
    fn absurd_numbers_are_refused() {
        assert_eq!(
            RetryPolicy::stated().max_attempts(0),
            Err(RetryPolicyError::NoAttempts)
        );
        for factor in [0.5, -1.0, f64::INFINITY, f64::NAN] {
            assert!(RetryPolicy::stated().backoff(factor).is_err());
        }
        assert!(
            RetryPolicy::stated().backoff(1.0).is_ok(),
            "always the same"
        );
        for fraction in [0.0, 1.0] {
            assert!(RetryPolicy::stated().jitter(fraction).is_ok());
        }
        for fraction in [-0.1, 1.1, f64::NAN] {
            assert!(RetryPolicy::stated().jitter(fraction).is_err());
        }
    }
}
