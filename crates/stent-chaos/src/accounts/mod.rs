//! Whether every call came about as its clients were told: judged from a history alone.
//!
//! A call does some parts, each of which writes down what came of it before it says so; the call's result tells what came of each. So a result that
//! nobody wrote down was made up, and one that differs from what was shown before was changed.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::history::{Call, Damage, Event, Fate, Line, Part};

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A call was accepted, and at the end there was no such call (S1).
    Lost(Call),
    /// A call had not ended when all was calm (L1).
    Unfinished(Call),
    /// A call failed, although nothing that it did can fail; or was cancelled by nobody (S1, S8).
    Ended(Call, Fate),
    /// Two things came of one part, or of none (S2).
    Changed(Call, Part),
    /// A call was shown something that its part had not written down (S6).
    Invented(Call, Part, u64),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(call) => write!(f, "call {} was accepted, and is gone", call.0),
            Self::Unfinished(call) => write!(f, "call {} did not end", call.0),
            Self::Ended(call, fate) => {
                write!(
                    f,
                    "call {} ended as {fate:?}, which nobody asked for",
                    call.0
                )
            }
            Self::Changed(call, part) => write!(
                f,
                "not one thing came of part {} of call {}, but none or several",
                part.0, call.0
            ),
            Self::Invented(call, part, value) => write!(
                f,
                "{value} came of part {} of call {}, which did not say so",
                part.0, call.0
            ),
        }
    }
}

/// What happened in a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls that were accepted.
    pub accepted: usize,
    /// Calls of which a client was not told whether they are kept.
    pub unsure: usize,
    /// Those of them that were kept.
    pub kept: usize,
    /// Calls that completed.
    pub completed: usize,
    /// Calls that were cancelled.
    pub cancelled: usize,
    /// Parts that were done more than once.
    pub done_again: usize,
    /// Processes that were killed, and paused.
    pub kills: usize,
    /// Processes that were paused.
    pub pauses: usize,
    /// What else was damaged, and how often.
    pub damages: BTreeMap<Damage, usize>,
}

/// What is known of one call.
#[derive(Clone, Debug, Default)]
struct Account {
    invoked: bool,
    accepted: bool,
    cancels: bool,
    did: BTreeMap<Part, Vec<u64>>,
    got: BTreeMap<Part, BTreeSet<u64>>,
    over: Option<Fate>,
}

/// Judges a history: what must not be, and what happened. Calls have these parts.
#[must_use]
pub fn judge(history: &[Line], parts: &[Part]) -> (Vec<Violation>, Figures) {
    let mut accounts: BTreeMap<Call, Account> = BTreeMap::new();
    let mut figures = Figures::default();
    for line in history {
        match line.event {
            Event::Invoked(call) => accounts.entry(call).or_default().invoked = true,
            Event::Accepted(call) => accounts.entry(call).or_default().accepted = true,
            Event::Cancels(call) => accounts.entry(call).or_default().cancels = true,
            Event::Did(call, part, value) => {
                let account = accounts.entry(call).or_default();
                account.did.entry(part).or_default().push(value);
            }
            Event::Got(call, part, value) => {
                let account = accounts.entry(call).or_default();
                account.got.entry(part).or_default().insert(value);
            }
            Event::Over(call, fate) => accounts.entry(call).or_default().over = Some(fate),
            Event::Kills(_) => figures.kills += 1,
            Event::Pauses(_) => figures.pauses += 1,
            Event::Damages(damage) => *figures.damages.entry(damage).or_default() += 1,
            Event::Acknowledged(_)
            | Event::Shown(..)
            | Event::Begins(..)
            | Event::Ticks(_)
            | Event::Ends(_)
            | Event::Resumes(_) => {}
        }
    }
    let mut violations = Vec::new();
    for (call, account) in &accounts {
        account.judge(*call, parts, &mut violations);
        account.count(&mut figures);
    }
    (violations, figures)
}

impl Account {
    fn judge(&self, call: Call, parts: &[Part], violations: &mut Vec<Violation>) {
        match self.over {
            None if self.accepted => violations.push(Violation::Lost(call)),
            Some(Fate::Unfinished) => violations.push(Violation::Unfinished(call)),
            Some(fate @ Fate::Failed) => violations.push(Violation::Ended(call, fate)),
            Some(fate @ Fate::Cancelled) if !self.cancels => {
                violations.push(Violation::Ended(call, fate));
            }
            None | Some(Fate::Completed | Fate::Cancelled) => {}
        }
        let is_shown = self.over == Some(Fate::Completed) || !self.got.is_empty();
        for part in parts.iter().filter(|_| is_shown) {
            let got = self.got.get(part);
            if got.map_or(0, BTreeSet::len) != 1 {
                violations.push(Violation::Changed(call, *part));
            }
            let did = self.did.get(part);
            for value in got.into_iter().flatten() {
                if !did.is_some_and(|did| did.contains(value)) {
                    violations.push(Violation::Invented(call, *part, *value));
                }
            }
        }
    }

    fn count(&self, figures: &mut Figures) {
        let is_unsure = self.invoked && !self.accepted;
        figures.accepted += usize::from(self.accepted);
        figures.unsure += usize::from(is_unsure);
        figures.kept += usize::from(is_unsure && self.over.is_some());
        figures.completed += usize::from(self.over == Some(Fate::Completed));
        figures.cancelled += usize::from(self.over == Some(Fate::Cancelled));
        figures.done_again += self.did.values().filter(|did| did.len() > 1).count();
    }
}
