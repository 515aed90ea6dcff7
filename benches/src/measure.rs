//! Times and their statistics.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The present instant: the one clock of all measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the machine's clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The machine's monotonic clock, in nanoseconds: unlike an [`Instant`], one process can tell another.
pub(crate) fn nanoseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
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
    /// What hand-written SQL reached in the same round; none where there is nothing to compare.
    pub(crate) limit: Option<f64>,
    /// What that was, or why there is none.
    pub(crate) limit_is: &'static str,
    /// Transactions of the store per thing that was counted, where the store counts them.
    pub(crate) commits_per_unit: Option<f64>,
    /// Statements that reached the database per thing that was counted, where they were counted.
    pub(crate) statements_per_unit: Option<f64>,
}

impl Sample {
    /// A figure beside its limit.
    pub(crate) const fn beside(
        workload: &'static str,
        value: f64,
        unit: Unit,
        limit: f64,
        limit_is: &'static str,
    ) -> Self {
        Self {
            workload,
            value,
            unit,
            limit: Some(limit),
            limit_is,
            commits_per_unit: None,
            statements_per_unit: None,
        }
    }

    /// A figure that no hand-written SQL can be beside.
    pub(crate) const fn alone(
        workload: &'static str,
        value: f64,
        unit: Unit,
        why_alone: &'static str,
    ) -> Self {
        Self {
            workload,
            value,
            unit,
            limit: None,
            limit_is: why_alone,
            commits_per_unit: None,
            statements_per_unit: None,
        }
    }

    /// What is known of the transactions that it took.
    #[must_use]
    pub(crate) const fn by_commits(mut self, commits_per_unit: Option<f64>) -> Self {
        self.commits_per_unit = commits_per_unit;
        self
    }

    /// The value by its limit.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.limit.map(|limit| self.value / limit)
    }
}

/// What is counted, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    TasksPerSecond,
    StepsPerSecond,
    Milliseconds,
    /// Of one processor's time.
    Percent,
    /// How often a second something happens that costs.
    EachSecond,
    Megabytes,
    /// Written for each thing that was counted.
    BytesEach,
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TasksPerSecond => "tasks/s",
            Self::StepsPerSecond => "steps/s",
            Self::Milliseconds => "ms",
            Self::Percent => "% CPU",
            Self::EachSecond => "per s",
            Self::Megabytes => "MB",
            Self::BytesEach => "bytes",
        }
    }

    pub(crate) const fn better(self) -> &'static str {
        match self {
            Self::TasksPerSecond | Self::StepsPerSecond => "higher",
            Self::Milliseconds
            | Self::Percent
            | Self::EachSecond
            | Self::Megabytes
            | Self::BytesEach => "lower",
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
