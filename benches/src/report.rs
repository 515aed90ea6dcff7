//! What was found: a table for people, and JSON for programs.

use std::{fmt, fs, path::Path};

use serde::Serialize;

use crate::{
    Result,
    limit::Limit,
    measure::{Sample, median, quantile},
    peers::table::Table,
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
pub(crate) struct Figure {
    pub(crate) workload: &'static str,
    pub(crate) store: &'static str,
    /// The median over the runs.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Which way is better: `higher` or `lower`.
    pub(crate) better: &'static str,
    /// The median of the limit over the same runs; null where there is nothing to compare.
    pub(crate) limit: Option<f64>,
    /// What the limit is, or why there is none.
    pub(crate) limit_is: &'static str,
    /// The median of the ratios of each run; null where there is no limit.
    pub(crate) ratio_to_limit: Option<f64>,
    pub(crate) runs: usize,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Transactions of the store per thing that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commits_per_unit: Option<f64>,
    /// Statements that reached the database per thing that was counted, those that begin and end transactions included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statements_per_unit: Option<f64>,
}

/// Why nothing is beside the memory store.
const NO_DATABASE: &str =
    "nothing: what is in memory has no database whose limit it could be beside";

impl Report {
    pub(crate) fn add(&mut self, store: StoreKind, samples: Vec<Sample>) {
        for sample in samples {
            let sample = match store {
                StoreKind::Memory => Sample {
                    limit: None,
                    limit_is: NO_DATABASE,
                    ..sample
                },
                StoreKind::Sqlite | StoreKind::Postgres => sample,
            };
            self.push(store.as_str(), sample);
        }
    }

    /// Adds the limit itself, so that it can be compared between machines.
    pub(crate) fn add_limit(&mut self, store: StoreKind, limit: &Limit) {
        let database = match store {
            StoreKind::Memory => return,
            StoreKind::Sqlite => "by hand",
            StoreKind::Postgres => "by hand, pg",
        };
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

    /// What was found, in the order in which it was first measured.
    pub(crate) fn figures(&self) -> impl Iterator<Item = Figure> {
        self.lines.iter().filter_map(Line::figure)
    }

    /// Writes the figures as a list of JSON objects; those of peers, which have a `peer`, last.
    pub(crate) fn write(&self, peers: &Table, file: &Path) -> Result {
        let ours = self.figures().map(serde_json::to_value);
        let theirs = peers.beside().map(serde_json::to_value);
        let figures: Vec<_> = ours.chain(theirs).collect::<std::result::Result<_, _>>()?;
        fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")
            .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
        Ok(())
    }
}

impl Line {
    fn figure(&self) -> Option<Figure> {
        let first = self.samples.first()?;
        let values: Vec<_> = self.samples.iter().map(|sample| sample.value).collect();
        let middle = |of: fn(&Sample) -> Option<f64>| {
            let known: Vec<_> = self.samples.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| median(&known))
        };
        Some(Figure {
            workload: first.workload,
            store: self.store,
            value: median(&values),
            unit: first.unit.as_str(),
            better: first.unit.better(),
            limit: middle(|sample| sample.limit),
            limit_is: first.limit_is,
            ratio_to_limit: middle(Sample::ratio),
            runs: self.samples.len(),
            min: quantile(&values, 0.0),
            max: quantile(&values, 1.0),
            commits_per_unit: middle(|sample| sample.commits_per_unit),
            statements_per_unit: middle(|sample| sample.statements_per_unit),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26} {:<11} {:>10} {:<8} {:>10} {:>10} {:>10} {:>7} {:>9} {:>8}  beside",
            "workload",
            "store",
            "median",
            "",
            "min",
            "max",
            "limit",
            "ratio",
            "commits/1",
            "stmts/1"
        )?;
        let text = |number: Option<f64>, digits: usize| {
            number.map_or_else(String::new, |number| format!("{number:.digits$}"))
        };
        for figure in self.figures() {
            writeln!(
                f,
                "{:<26} {:<11} {:>10} {:<8} {:>10} {:>10} {:>10} {:>7} {:>9} {:>8}  {}",
                figure.workload,
                figure.store,
                Short(figure.value).to_string(),
                figure.unit,
                Short(figure.min).to_string(),
                Short(figure.max).to_string(),
                figure
                    .limit
                    .map_or_else(String::new, |limit| Short(limit).to_string()),
                text(figure.ratio_to_limit, 2),
                text(figure.commits_per_unit, 4),
                text(figure.statements_per_unit, 3),
                figure.limit_is
            )?;
        }
        Ok(())
    }
}

/// A number with as many digits as mean something.
pub(crate) struct Short(pub(crate) f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0 < 100.0 {
            format!("{:.3}", self.0)
        } else {
            format!("{:.0}", self.0)
        };
        f.pad(&text)
    }
}
