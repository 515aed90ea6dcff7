//! What a person is told.

use std::path::Path;

use clap::ValueEnum;
use stent_chaos::power::trace::{Action, Step};

use super::{
    Options,
    cuts::{Cut, Verdict},
    say,
};

/// Cuts of which everything is said that was wrong, and violations of each.
const SAID_MAX: usize = 10;

/// Says how much was done, and what became of it.
pub(super) fn say_figures(steps: &[Step], verdicts: &[Verdict]) {
    let count = |is: fn(&Action) -> bool| steps.iter().filter(|step| is(&step.action)).count();
    let sum = |of: fn(&Verdict) -> usize| verdicts.iter().map(of).sum::<usize>();
    let died = steps.iter().filter(|step| step.ended.is_none()).count();
    let is_write = |action: &Action| matches!(action, Action::Write { .. });
    let is_sync = |action: &Action| matches!(action, Action::Sync(_) | Action::SyncFolder);
    let is_said = |action: &Action| matches!(action, Action::Say(_));
    for (what, figure) in [
        ("writes", count(is_write)),
        ("syncs", count(is_sync)),
        ("of them not done, as the process died", died),
        ("lines said", count(is_said)),
        ("cuts", verdicts.len()),
        (
            "cuts that lost what was not synced",
            sum(|one| one.lost_something.into()),
        ),
        (
            "promises made before, over all cuts",
            sum(|one| one.promises),
        ),
        ("executions found", sum(|one| one.executions)),
        ("of them finished afterwards", sum(|one| one.open)),
        ("promises lost", sum(|one| one.counts().0)),
        ("cuts that lost any", sum(|one| (one.counts().0 > 0).into())),
        ("other violations", sum(|one| one.counts().1)),
    ] {
        say(&format!("  {what:<38} {figure:>9}"));
    }
}

/// Says what was wrong, and names the first cut that it was wrong at. Losses may be what was agreed on.
pub(super) fn say_wrong(may_lose: bool, verdicts: &[Verdict]) -> Option<Cut> {
    let is_wrong = |verdict: &&Verdict| {
        let (losses, others) = verdict.counts();
        others > 0 || (losses > 0 && !may_lose)
    };
    let wrong: Vec<&Verdict> = verdicts.iter().filter(is_wrong).collect();
    for verdict in wrong.iter().take(SAID_MAX) {
        let Cut { number, point } = verdict.cut;
        say(&format!("cut {number}, at point {point}:"));
        for violation in verdict.violations.iter().take(SAID_MAX) {
            say(&format!("  WRONG: {violation}"));
        }
    }
    match wrong.len() {
        0 if may_lose => say("all held that `synchronous=NORMAL` promises"),
        0 => say("all held"),
        found => say(&format!("{found} cuts with violations")),
    }
    wrong.first().map(|verdict| verdict.cut)
}

/// Says how to see a failure again.
pub(super) fn say_again(options: &Options, recording: &Path, cut: Cut) {
    let mut again = format!(
        "again: cargo xtask trial power --recording {} --cut {}",
        recording.display(),
        cut.number
    );
    let synchronous = options.synchronous.to_possible_value();
    let syncs = options.ignore_syncs.to_possible_value();
    for (option, value) in [("--synchronous", synchronous), ("--ignore-syncs", syncs)] {
        if let Some(value) = value {
            again = format!("{again} {option} {}", value.get_name());
        }
    }
    say(&again);
}
