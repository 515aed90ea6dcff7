//! What a long trial under load used, sampled from time to time, and whether any of it grows.

pub mod plot;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, fs, io, time::Duration};

/// By how much of a series the end may lie above what was reached before: machines are noisy, files grow in steps.
const TOLERANCE: f64 = 0.25;

/// Something that is measured again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// Executions that ended, per second. The only one that may grow.
    Throughput,
    /// Memory of the worker process, in MB.
    WorkerMemory,
    /// Memory of the process that dispatches, in MB.
    ClientMemory,
    /// Open files, sockets among them, of the worker process.
    WorkerFiles,
    /// Open files of the process that dispatches.
    ClientFiles,
    /// Connections to the server.
    Connections,
    /// All tables with their indexes, or the database file, in MB.
    Tables,
    /// The write-ahead log, in MB.
    Log,
}

impl Series {
    /// What it is called, with its unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "executions that ended, per second",
            Self::WorkerMemory => "memory of the worker, MB",
            Self::ClientMemory => "memory of the dispatcher, MB",
            Self::WorkerFiles => "open files of the worker",
            Self::ClientFiles => "open files of the dispatcher",
            Self::Connections => "connections to the server",
            Self::Tables => "tables and indexes, MB",
            Self::Log => "write-ahead log, MB",
        }
    }

    /// What is nothing beside what a program needs anyhow: growth below it is none.
    const fn grain(self) -> f64 {
        match self {
            Self::Throughput => f64::INFINITY,
            Self::WorkerMemory | Self::ClientMemory | Self::Tables => 8.0,
            Self::WorkerFiles | Self::ClientFiles | Self::Connections => 4.0,
            Self::Log => 64.0,
        }
    }
}

/// One value at one time since the beginning.
pub type Point = (Duration, f64);

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Samples(BTreeMap<Series, Vec<Point>>);

/// A series that grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Which one.
    pub series: Series,
    /// Its median in the second quarter of the time.
    pub before: f64,
    /// Its median in the last quarter.
    pub after: f64,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            series,
            before,
            after,
        } = self;
        write!(f, "{}: from {before:.1} to {after:.1}", series.name())
    }
}

impl Samples {
    /// Adds a value.
    pub fn add(&mut self, series: Series, at: Duration, value: f64) {
        self.0.entry(series).or_default().push((at, value));
    }

    /// All series with their values, in the order of time.
    pub fn series(&self) -> impl Iterator<Item = (Series, &[Point])> {
        self.0.iter().map(|(series, points)| (*series, &points[..]))
    }

    /// The median of a series within a part of the time, given in quarters.
    #[must_use]
    pub fn median(&self, series: Series, quarter: usize) -> Option<f64> {
        let points = self.0.get(&series)?;
        let from = points.len() * quarter / 4;
        let mut values: Vec<f64> = points[from..points.len() * (quarter + 1) / 4]
            .iter()
            .map(|(_, value)| *value)
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// What grows: whatever is clearly higher in the last quarter than in the second. The first is left out: caches fill, and nothing is old enough
    /// to be cleaned up.
    #[must_use]
    pub fn growing(&self) -> Vec<Growth> {
        let growths = self.0.keys().filter_map(|series| {
            Some(Growth {
                series: *series,
                before: self.median(*series, 1)?,
                after: self.median(*series, 3)?,
            })
        });
        growths
            .filter(|growth| {
                let by = growth.after - growth.before;
                by > growth.series.grain() && by > growth.before * TOLERANCE
            })
            .collect()
    }
}

/// The memory of a process in MB, and how many files it has open.
///
/// # Errors
/// When it is gone.
pub fn of_process(id: u32) -> io::Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    let kilobytes = kilobytes.ok_or(io::ErrorKind::InvalidData)?;
    let files = fs::read_dir(format!("/proc/{id}/fd"))?.count();
    Ok((kilobytes / 1_000.0, files as f64))
}
