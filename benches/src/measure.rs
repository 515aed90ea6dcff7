//! Times and their statistics.

use std::time::{Duration, Instant};

/// The present instant: the one clock of all measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the machine's clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How many a second.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    number(count) / took.as_secs_f64()
}

/// A count as a floating-point number: exact up to 2⁵³, far above any count here.
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

pub(crate) fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// The value that a fraction of the values does not exceed; 0 of none. `fraction` is from 0 to 1.
pub(crate) fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let index = (number(last) * fraction).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// What one measurement of one workload found.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) workload: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// What hand-written SQL reached in the same round; NaN where there is nothing to compare with.
    pub(crate) limit: f64,
    /// What that was.
    pub(crate) limit_is: &'static str,
    /// Transactions of the store per thing that was counted, where the store counts them.
    pub(crate) commits_per_unit: Option<f64>,
}

/// What is counted, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    TasksPerSecond,
    StepsPerSecond,
    Milliseconds,
    MillisecondsPerSecond,
    PerSecond,
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TasksPerSecond => "tasks/s",
            Self::StepsPerSecond => "steps/s",
            Self::Milliseconds => "ms",
            Self::MillisecondsPerSecond => "ms/s",
            Self::PerSecond => "1/s",
        }
    }

    pub(crate) const fn better(self) -> &'static str {
        match self {
            Self::TasksPerSecond | Self::StepsPerSecond => "higher",
            Self::Milliseconds | Self::MillisecondsPerSecond | Self::PerSecond => "lower",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!(quantile(&values, 1.0), 5.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(median(&[]), 0.0);
    }
}
