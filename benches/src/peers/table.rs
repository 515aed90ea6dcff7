//! What peers reached, and how Stent stands beside them.

use std::fmt;

use serde::Serialize;

use crate::{
    measure::{median, quantile},
    report::Short,
    stores::StoreKind,
};

/// What one run of a peer found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) workload: String,
    /// None where the peer cannot do it, or failed.
    pub(crate) value: Option<f64>,
    pub(crate) unit: String,
    /// Stent's value of the same round.
    pub(crate) ours: Option<f64>,
    /// Where the peer promises or keeps less.
    pub(crate) differs: String,
    pub(crate) why_not: String,
}

impl Found {
    fn is_time(&self) -> bool {
        self.unit == "ms"
    }

    /// How many times better Stent was: above 1, Stent; below, the peer.
    fn ratio(&self) -> Option<f64> {
        let (peer, ours) = (self.value?, self.ours?);
        Some(if self.is_time() {
            peer / ours
        } else {
            ours / peer
        })
    }
}

/// The findings of all rounds, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    store: StoreKind,
    peer: &'static str,
    found: Vec<Found>,
}

/// A row as JSON has it.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) workload: String,
    pub(crate) store: &'static str,
    pub(crate) peer: &'static str,
    /// The peer's median over the runs; null where there is none.
    pub(crate) value: Option<f64>,
    pub(crate) unit: String,
    /// Which way is better: `higher` or `lower`.
    better: &'static str,
    /// Stent's median over the same runs.
    pub(crate) stent: Option<f64>,
    /// The median of the ratios of each run: how many times better Stent was.
    pub(crate) ratio: Option<f64>,
    runs: usize,
    min: Option<f64>,
    max: Option<f64>,
    /// Where the peer promises or keeps less than Stent.
    pub(crate) differs: String,
    /// Why a run has no figure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) why_not: String,
}

impl Table {
    pub(crate) fn push(&mut self, store: StoreKind, peer: &'static str, found: Found) {
        let known = self.rows.iter_mut().find(|row| {
            let first = row.found.first();
            row.store == store
                && row.peer == peer
                && first.is_some_and(|first| first.workload == found.workload)
        });
        match known {
            Some(row) => row.found.push(found),
            None => self.rows.push(Row {
                store,
                peer,
                found: vec![found],
            }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn beside(&self) -> impl Iterator<Item = Beside> {
        self.rows.iter().filter_map(Row::beside)
    }
}

impl Row {
    fn beside(&self) -> Option<Beside> {
        // One run may have failed where another has a figure.
        let with_value = self.found.iter().find(|found| found.value.is_some());
        let first = with_value.or(self.found.first())?;
        let all = |of: fn(&Found) -> Option<f64>| -> Vec<f64> {
            self.found.iter().filter_map(of).collect()
        };
        let (values, ours, ratios) = (
            all(|found| found.value),
            all(|found| found.ours),
            all(Found::ratio),
        );
        let middle = |values: &[f64]| (!values.is_empty()).then(|| median(values));
        let edge = |fraction| (!values.is_empty()).then(|| quantile(&values, fraction));
        let why_not = self.found.iter().find(|found| !found.why_not.is_empty());
        Some(Beside {
            workload: first.workload.clone(),
            store: self.store.as_str(),
            peer: self.peer,
            value: middle(&values),
            unit: first.unit.clone(),
            better: if first.is_time() { "lower" } else { "higher" },
            stent: middle(&ours),
            ratio: middle(&ratios),
            runs: values.len(),
            min: edge(0.0),
            max: edge(1.0),
            differs: first.differs.clone(),
            why_not: why_not.map_or_else(String::new, |found| found.why_not.clone()),
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<22} {:<9} {:<18} {:>10} {:<8} {:>10} {:>7}  differs",
            "workload", "store", "peer", "median", "", "Stent", "ratio"
        )?;
        let short =
            |number: Option<f64>| number.map_or_else(String::new, |one| Short(one).to_string());
        let (with_value, without): (Vec<_>, Vec<_>) =
            self.beside().partition(|one| one.value.is_some());
        for one in with_value {
            let remark = match (one.differs.as_str(), one.why_not.as_str()) {
                (differs, "") => differs.to_owned(),
                (differs, why_not) => format!("{differs} (one run failed: {why_not})"),
            };
            writeln!(
                f,
                "{:<22} {:<9} {:<18} {:>10} {:<8} {:>10} {:>7}  {remark}",
                one.workload,
                one.store,
                one.peer,
                short(one.value),
                one.unit,
                short(one.stent),
                one.ratio
                    .map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            )?;
        }
        writeln!(
            f,
            "ratio: how many times better Stent was in the same round"
        )?;
        for one in without {
            writeln!(
                f,
                "{:<22} {:<9} {:<18} {}",
                one.workload, one.store, one.peer, one.why_not
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: Option<f64>, unit: &str, ours: f64) -> Found {
        Found {
            workload: "drain".to_owned(),
            value,
            unit: unit.to_owned(),
            ours: Some(ours),
            differs: String::new(),
            why_not: value.map_or_else(|| "failed".to_owned(), |_| String::new()),
        }
    }

    #[test]
    fn a_ratio_above_one_says_that_stent_was_better() {
        assert_eq!(found(Some(100.0), "tasks/s", 200.0).ratio(), Some(2.0));
        assert_eq!(found(Some(4.0), "ms", 1.0).ratio(), Some(4.0));
    }

    #[test]
    fn a_run_that_failed_hides_neither_itself_nor_the_others() {
        let mut table = Table::default();
        for value in [None, Some(50.0), Some(100.0), Some(75.0)] {
            table.push(StoreKind::Sqlite, "peer", found(value, "tasks/s", 150.0));
        }
        let beside: Vec<_> = table.beside().collect();
        assert_eq!(beside.len(), 1);
        assert_eq!(beside[0].value, Some(75.0));
        assert_eq!(beside[0].ratio, Some(2.0));
        assert_eq!(beside[0].runs, 3);
        assert_eq!(beside[0].why_not, "failed");
    }
}
