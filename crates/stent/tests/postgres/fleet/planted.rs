//! The proof of the example catches what it is there for.

#![allow(dead_code, reason = "the example uses the rest of its modules")]

#[path = "../../../examples/quickstart/files.rs"]
mod files;
#[path = "../../../examples/fleet/journal.rs"]
mod journal;
#[path = "../../../examples/fleet/proof.rs"]
mod proof;
#[path = "../../../examples/quickstart/report.rs"]
mod report;

use std::time::Duration;

use journal::{Event, Line};
use proof::{Seen, look, not_once};

fn line(at: u64, process: u32, event: Event) -> Line {
    let at = Duration::from_millis(at);
    Line { at, process, event }
}

fn begins(at: u64, process: u32, file: &str) -> Line {
    line(at, process, Event::Begins(file.to_owned()))
}

fn ends(at: u64, process: u32, file: &str) -> Line {
    line(at, process, Event::Ends(file.to_owned()))
}

#[test]
fn bodies_that_follow_each_other_are_one_at_once_in_whatever_order_their_lines_came() {
    let log = [
        begins(2, 2, "b"),
        begins(1, 1, "a"),
        ends(2, 1, "a"),
        ends(3, 2, "b"),
    ];
    let seen = look(&log);
    assert_eq!((seen.bodies, seen.at_once), (2, 1));
}

#[test]
fn bodies_that_meet_are_seen_also_where_one_never_ends() {
    let log = [begins(1, 1, "a"), begins(2, 2, "b"), ends(3, 2, "b")];
    assert_eq!(look(&log).at_once, 2);
    let twice = [begins(1, 1, "a"), begins(2, 2, "a"), ends(3, 2, "a")];
    assert_eq!(look(&twice).at_once, 2);
}

#[test]
fn a_killed_process_runs_nothing_more_and_says_nothing_that_counts() {
    let log = [
        begins(1, 1, "a"),
        line(2, 1, Event::Killed),
        begins(3, 1, "late"),
        begins(4, 2, "a"),
    ];
    let expected = Seen {
        bodies: 2,
        cut_off: 1,
        killed: 1,
        at_once: 1,
    };
    assert_eq!(look(&log), expected);
}

#[test]
fn files_that_are_missing_from_a_report_or_in_it_twice_are_found() {
    let report = "# Index\n\n## Not indexed\n\n| file | why |\n|---|---|\n| `not` | `why` |\n\n\
        ## All files\n\n| sha256 | bytes | file |\n|---|---:|---|\n\
        | `00` | 1 | `a` |\n| `01` | 2 | `b` |\n| `01` | 2 | `b` |\n| `02` | 3 | `c \\| d` |\n";
    let files = ["a", "b", "c | d", "not", "gone"].map(str::to_owned);
    assert_eq!(not_once(report, &files), [("b", 2), ("gone", 0)]);
    assert_eq!(not_once("", &files[..1]), [("a", 0)]);
}
