//! What is proven at the end, from what the bodies said and from the report, and not from the database.
//!
//! **The limit.** A body counts from its first line to its last, or to the moment before its process was killed. Its lease began before and ended
//! after that, so bodies that run at one instant are leases that run then: had the limit been exceeded by them, it would be seen. (The lease of a
//! killed process runs on for a while with no body behind it. It holds its slot too, but only the database could say so.)
//!
//! **The report.** Every file that was in the folder before the work began stands in it once: measured, or with the reason why not.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    journal::{Event, Line},
    report::code,
};

/// What the log shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Bodies that measured a file.
    pub(crate) bodies: usize,
    /// Those of them whose process was killed meanwhile.
    pub(crate) cut_off: usize,
    /// Processes that were killed.
    pub(crate) killed: usize,
    /// The most bodies at one instant.
    pub(crate) at_once: usize,
}

/// Looks at every instant of a log.
pub(crate) fn look(lines: &[Line]) -> Seen {
    let mut lines: Vec<_> = lines.iter().collect();
    // At one instant, what ends is over when something begins.
    lines.sort_by_key(|line| (line.at, matches!(line.event, Event::Begins(_))));
    let mut seen = Seen::default();
    let mut running = BTreeSet::new();
    let mut killed = BTreeSet::new();
    for line in lines {
        // Between the line that announces it and the kill itself, a process may have said something more.
        if killed.contains(&line.process) {
            continue;
        }
        match &line.event {
            Event::Begins(file) => {
                running.insert((line.process, file));
                seen.bodies += 1;
                seen.at_once = seen.at_once.max(running.len());
            }
            Event::Ends(file) => drop(running.remove(&(line.process, file))),
            Event::Killed => {
                let before = running.len();
                running.retain(|(process, _)| *process != line.process);
                seen.cut_off += before - running.len();
                killed.insert(line.process);
            }
            Event::Stole(_) => {}
        }
    }
    seen.killed = killed.len();
    seen
}

/// Looks for each file in a report; gives those that are not in it exactly once, with how often they are.
pub(crate) fn not_once<'f>(report: &str, files: &'f [String]) -> Vec<(&'f str, usize)> {
    let mut rows = BTreeMap::<&str, usize>::new();
    for file in cells(report, "All files", 2).chain(cells(report, "Not indexed", 0)) {
        *rows.entry(file).or_default() += 1;
    }
    files
        .iter()
        .map(|file| (file.as_str(), rows.get(&*code(file)).copied().unwrap_or(0)))
        .filter(|(_, times)| *times != 1)
        .collect()
}

/// A column of the table under a heading, without the head of the table.
fn cells<'r>(report: &'r str, heading: &str, column: usize) -> impl Iterator<Item = &'r str> {
    let start = format!("\n## {heading}\n\n");
    let table = report.split_once(&*start).map_or("", |(_, table)| table);
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    // A bar within a cell has a backslash before it.
    rows.skip(2).filter_map(move |row| {
        let row = row.strip_prefix("| ")?.strip_suffix(" |")?;
        row.split(" | ").nth(column)
    })
}
