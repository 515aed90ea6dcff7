//! The figures as the tables of `docs/performance.md`.

use std::{fs, path::Path};

use crate::{
    Result,
    peers::table::{Beside, Table},
    report::{Figure, Report},
    stores::StoreKind,
};

/// Workloads in the order of the tables, with what a reader is told of each.
const SAID: &[(&str, &str)] = &[
    (
        "store_dispatch",
        "the store alone: dispatch, batches of 1,000",
    ),
    (
        "store_drain",
        "the store alone: claim and commit, batches of 1,000",
    ),
    ("dispatch_one_by_one", "dispatch one by one, one caller"),
    ("dispatch_32_at_once", "dispatch one by one, 32 callers"),
    ("dispatch_in_bulk", "dispatch in bulk"),
    ("drain", "drain: 100,000 waiting tasks, one worker"),
    ("drain_by_1_process", "the same by one worker process"),
    ("drain_by_2_processes", "by two worker processes"),
    ("drain_by_4_processes", "by four worker processes"),
    (
        "latency_start_p50",
        "idle: dispatch until the body starts, p50",
    ),
    (
        "latency_start_p99",
        "idle: dispatch until the body starts, p99",
    ),
    (
        "latency_result_p50",
        "idle: dispatch until the result is seen, p50",
    ),
    (
        "elsewhere_start_p50",
        "idle: dispatch until the body starts in another process, p50",
    ),
    (
        "elsewhere_start_p99",
        "idle: dispatch until the body starts in another process, p99",
    ),
    (
        "children_of_one",
        "one execution × 1,000 children, one after the other",
    ),
    (
        "sequential_children",
        "1,000 executions × 10 children, one after the other",
    ),
    ("sequential_steps", "1,000 executions × 10 steps"),
    ("fanout", "one execution × 10,000 children at once"),
    ("fanout_by_2_processes", "the same by two worker processes"),
    ("fanout_by_4_processes", "by four worker processes"),
    (
        "drain_beside_limited",
        "drain beside 1,000,000 that wait for a full limit",
    ),
    (
        "start_beside_limited_p50",
        "dispatch until the body starts beside them, p50",
    ),
    ("drain_beside_asleep", "drain beside 1,000,000 that sleep"),
    (
        "start_beside_asleep_p50",
        "dispatch until the body starts beside them, p50",
    ),
    (
        "drain_beside_ended",
        "drain beside 1,000,000 that have ended",
    ),
    (
        "start_beside_ended_p50",
        "dispatch until the body starts beside them, p50",
    ),
    (
        "drain_beside_10m_ended",
        "drain beside 10,000,000 that have ended",
    ),
    (
        "start_beside_10m_ended_p50",
        "dispatch until the body starts beside them, p50",
    ),
    ("idle_cpu", "an idle worker process: processor time"),
    ("idle_wake_ups", "an idle worker process: wake-ups"),
    ("idle_statements", "an idle worker process: statements"),
    ("idle_transactions", "an idle worker process: transactions"),
    ("worker_memory", "a worker process that drains: most memory"),
];

/// What peers do too, in the order of their tables; how much of it differs from peer to peer.
const OF_PEERS: &[(&str, &str)] = &[
    ("dispatch_32_at_once", "dispatch one by one, 32 callers"),
    ("dispatch_in_bulk", "dispatch in bulk"),
    ("drain", "drain, one worker process"),
    (
        "latency_start_p50",
        "idle: dispatch until the body starts, p50",
    ),
    (
        "latency_start_p99",
        "idle: dispatch until the body starts, p99",
    ),
    ("sequential_steps", "executions × 10 steps"),
];

/// What is counted, in the order of its table.
const COSTS: &[(&str, &str)] = &[
    ("cost_dispatch_one_by_one", "a dispatch, one by one"),
    ("cost_dispatch_in_bulk", "a dispatch in bulk"),
    ("cost_drain", "a task of a drain"),
    (
        "cost_children_of_one",
        "a child of one execution, one after the other",
    ),
    ("cost_sequential_children", "a child, of 1,000 executions"),
    ("cost_sequential_steps", "a step, of 1,000 executions"),
    ("cost_fanout", "a child of a fan-out"),
];

/// Writes a table of speeds, one of costs and one of peers for each store that was measured.
pub(crate) fn write(report: &Report, peers: &Table, file: &Path) -> Result {
    let figures: Vec<_> = report.figures().collect();
    let mut text = String::new();
    for (store, title) in [
        (StoreKind::Sqlite, "SQLite"),
        (StoreKind::Postgres, "Postgres"),
        (StoreKind::Memory, "Memory"),
    ] {
        let of = |workload: &str| {
            figures
                .iter()
                .find(|figure| figure.store == store.as_str() && figure.workload == workload)
        };
        let speeds = rows(SAID, of, speed);
        let costs = rows(COSTS, of, cost);
        if !speeds.is_empty() {
            text += &format!(
                "### {title}\n\n| workload | median | limit in the same run | ratio |\n|---|---:|---:|---:|\n{speeds}\n"
            );
        }
        if !costs.is_empty() {
            text += &format!(
                "### {title}: what things cost\n\n| each | commits | statements | bytes written | bytes by hand |\n|---|---:|---:|---:|---:|\n{costs}\n"
            );
        }
    }
    text += &of_peers(peers);
    fs::write(file, text).map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
    Ok(())
}

fn of_peers(peers: &Table) -> String {
    let all: Vec<_> = peers.beside().collect();
    let mut text = String::new();
    for (store, title) in [
        (StoreKind::Sqlite, "SQLite"),
        (StoreKind::Postgres, "Postgres"),
    ] {
        let rows: String = OF_PEERS
            .iter()
            .flat_map(|said| all.iter().map(move |one| (said, one)))
            .filter(|((workload, _), one)| one.workload == *workload)
            .filter(|(_, one)| one.store == store.as_str())
            .filter_map(|((_, said), one)| peer(said, one))
            .collect();
        if !rows.is_empty() {
            text += &format!(
                "### {title}: peers\n\n| workload | peer | median | Stent in the same run | ratio | differs |\n|---|---|---:|---:|---:|---|\n{rows}\n"
            );
        }
    }
    text
}

/// A peer's row; none where it has no figure.
fn peer(said: &str, one: &Beside) -> Option<String> {
    let (value, ours, ratio) = (grouped(one.value?), grouped(one.stent?), one.ratio?);
    let (peer, unit, differs) = (one.peer, &one.unit, &one.differs);
    Some(format!(
        "| {said} | {peer} | {value} {unit} | {ours} | {ratio:.2} | {differs} |\n"
    ))
}

fn rows<'f>(
    said: &[(&str, &str)],
    of: impl Fn(&str) -> Option<&'f Figure>,
    row: fn(&str, &Figure) -> String,
) -> String {
    said.iter()
        .filter_map(|(workload, said)| Some(row(said, of(workload)?)))
        .collect()
}

fn speed(said: &str, figure: &Figure) -> String {
    let beside = match figure.limit {
        Some(limit) => format!("{} ({})", grouped(limit), figure.limit_is),
        None => "—".to_owned(),
    };
    let ratio = figure
        .ratio_to_limit
        .map_or_else(|| "—".to_owned(), |ratio| format!("{ratio:.2}"));
    let (value, unit) = (grouped(figure.value), figure.unit);
    format!("| {said} | {value} {unit} | {beside} | {ratio} |\n")
}

fn cost(said: &str, figure: &Figure) -> String {
    let counted =
        |count: Option<f64>| count.map_or_else(|| "—".to_owned(), |count| format!("{count:.3}"));
    let by_hand = figure.limit.map_or_else(|| "—".to_owned(), grouped);
    format!(
        "| {said} | {} | {} | {} | {by_hand} |\n",
        counted(figure.commits_per_unit),
        counted(figure.statements_per_unit),
        grouped(figure.value)
    )
}

/// A number with three digits that mean something, and its thousands apart.
fn grouped(number: f64) -> String {
    if number < 10.0 {
        return format!("{number:.2}");
    }
    if number < 100.0 {
        return format!("{number:.1}");
    }
    let unit = 10_f64.powf(number.log10().floor() - 2.0);
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        assert_eq!(grouped(0.234), "0.23");
        assert_eq!(grouped(17.28), "17.3");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(45_678.0), "45,700");
        assert_eq!(grouped(1_062_345.0), "1,060,000");
    }
}
