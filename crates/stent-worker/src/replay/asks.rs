//! What a body has asked for or recorded, until it goes to the store: in order, and no more at a time than one commit takes.

use std::collections::VecDeque;

use stent_core::commit::{HistoryWrite, Place, takes_more};

/// Writes that wait for the next commit, counted so that nobody looks at all of them.
#[derive(Debug, Default)]
pub(super) struct Asks {
    writes: VecDeque<HistoryWrite>,
    /// Bytes of their payloads.
    bytes: usize,
    /// Those that hold outcomes.
    outcomes: usize,
    /// Those that should not wait for another commit.
    urgent: usize,
}

impl Asks {
    pub(super) fn add(&mut self, write: HistoryWrite) {
        self.bytes = self.bytes.saturating_add(write.payload_bytes());
        self.outcomes = self
            .outcomes
            .saturating_add(usize::from(is_outcome(&write)));
        self.urgent = self.urgent.saturating_add(usize::from(is_urgent(&write)));
        self.writes.push_back(write);
    }

    fn pop(&mut self) -> Option<HistoryWrite> {
        let write = self.writes.pop_front()?;
        self.bytes = self.bytes.saturating_sub(write.payload_bytes());
        self.outcomes = self
            .outcomes
            .saturating_sub(usize::from(is_outcome(&write)));
        self.urgent = self.urgent.saturating_sub(usize::from(is_urgent(&write)));
        Some(write)
    }

    /// The oldest of them, as many as one commit takes.
    pub(super) fn take(&mut self) -> Vec<HistoryWrite> {
        let (mut taken, mut bytes) = (Vec::new(), 0_usize);
        while takes_more(taken.len(), bytes)
            && let Some(write) = self.pop()
        {
            bytes = bytes.saturating_add(write.payload_bytes());
            taken.push(write);
        }
        taken
    }

    /// Whether one commit takes all of them.
    pub(super) fn fit_one_commit(&self) -> bool {
        takes_more(self.writes.len(), self.bytes)
    }

    /// Whether outcomes are among them.
    pub(super) const fn hold_outcomes(&self) -> bool {
        self.outcomes > 0
    }

    /// Whether one of them should not wait for another commit.
    pub(super) const fn are_urgent(&self) -> bool {
        self.urgent > 0
    }

    /// Forgets all of them but outcomes.
    pub(super) fn keep_outcomes(&mut self) {
        let all = std::mem::take(self);
        for write in all.writes {
            if is_outcome(&write) {
                self.add(write);
            }
        }
    }
}

const fn is_outcome(write: &HistoryWrite) -> bool {
    match write {
        HistoryWrite::Record { .. } | HistoryWrite::Resolve { .. } => true,
        HistoryWrite::Begin { .. } | HistoryWrite::Abandon { .. } => false,
    }
}

/// What was answered on the spot, or given to the body already, travels with the next commit, whenever that is.
fn is_urgent(write: &HistoryWrite) -> bool {
    match write {
        HistoryWrite::Record { place, .. } => *place != Place::None,
        HistoryWrite::Resolve { place, .. } => *place == Place::Next,
        HistoryWrite::Begin { .. } | HistoryWrite::Abandon { .. } => true,
    }
}
