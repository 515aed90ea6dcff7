//! What was found: a table for people, and JSON for programs.

use std::{fmt, fs, path::Path};

use serde::Serialize;

use crate::{
    Result,
    limit::Limit,
    measure::{Sample, median, quantile},
    stores::StoreKind,
};

/// The samples of all rounds, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    store: &'static str,
    samples: Vec<Sample>,
}

/// A line as JSON has it.
#[derive(Debug, Serialize)]
struct Figure {
    workload: &'static str,
    store: &'static str,
    /// The median over the runs.
    value: f64,
    unit: &'static str,
    /// Which way is better: `higher` or `lower`.
    better: &'static str,
    /// The median of the limit over the same runs.
    limit: f64,
    limit_is: &'static str,
    /// The median of the ratios of each run.
    ratio_to_limit: f64,
    runs: usize,
    min: f64,
    max: f64,
    /// Transactions of the store per thing that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    commits_per_unit: Option<f64>,
}

impl Report {
    pub(crate) fn add(&mut self, store: StoreKind, samples: Vec<Sample>) {
        for sample in samples {
            self.push(store.as_str(), sample);
        }
    }

    /// Adds the limit itself, so that it can be compared between machines.
    pub(crate) fn add_limit(&mut self, database: &'static str, limit: &Limit) {
        for sample in limit.samples() {
            self.push(database, sample);
        }
    }

    fn push(&mut self, store: &'static str, sample: Sample) {
        let known = self.lines.iter_mut().find(|line| {
            let first = line.samples.first();
            line.store == store && first.is_some_and(|first| first.workload == sample.workload)
        });
        match known {
            Some(line) => line.samples.push(sample),
            None => self.lines.push(Line {
                store,
                samples: vec![sample],
            }),
        }
    }

    /// Writes the figures as a list of JSON objects.
    pub(crate) fn write(&self, file: &Path) -> Result {
        let figures: Vec<_> = self.lines.iter().filter_map(Line::figure).collect();
        fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")
            .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
        Ok(())
    }
}

impl Line {
    fn figure(&self) -> Option<Figure> {
        let first = self.samples.first()?;
        let all = |of: fn(&Sample) -> f64| self.samples.iter().map(of).collect::<Vec<_>>();
        let values = all(|sample| sample.value);
        let commits: Vec<_> = self
            .samples
            .iter()
            .filter_map(|sample| sample.commits_per_unit)
            .collect();
        Some(Figure {
            workload: first.workload,
            store: self.store,
            value: median(&values),
            unit: first.unit.as_str(),
            better: first.unit.better(),
            limit: median(&all(|sample| sample.limit)),
            limit_is: first.limit_is,
            ratio_to_limit: median(&all(|sample| sample.value / sample.limit)),
            runs: self.samples.len(),
            min: quantile(&values, 0.0),
            max: quantile(&values, 1.0),
            commits_per_unit: (!commits.is_empty()).then(|| median(&commits)),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:<8} {:>10} {:<8} {:>10} {:>10} {:>10} {:>7} {:>9}  beside",
            "workload", "store", "median", "", "min", "max", "limit", "ratio", "commits/1"
        )?;
        for figure in self.lines.iter().filter_map(Line::figure) {
            writeln!(
                f,
                "{:<22} {:<8} {:>10} {:<8} {:>10} {:>10} {:>10} {:>7} {:>9}  {}",
                figure.workload,
                figure.store,
                Short(figure.value),
                figure.unit,
                Short(figure.min),
                Short(figure.max),
                Short(figure.limit),
                Ratio(figure.ratio_to_limit),
                figure
                    .commits_per_unit
                    .map_or_else(String::new, |commits| format!("{commits:.4}")),
                figure.limit_is
            )?;
        }
        Ok(())
    }
}

/// A ratio, if there is one.
struct Ratio(f64);

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0.is_nan() {
            String::new()
        } else {
            format!("{:.2}", self.0)
        };
        f.pad(&text)
    }
}

/// A number with as many digits as mean something.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0.is_nan() {
            String::new()
        } else if self.0 < 100.0 {
            format!("{:.3}", self.0)
        } else {
            format!("{:.0}", self.0)
        };
        f.pad(&text)
    }
}
