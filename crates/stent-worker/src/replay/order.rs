//! The order in which a body is given its outcomes: one after the other, without a gap, each in the place that it had or will have in every replay.

use std::collections::BTreeMap;

use stent_core::{CallPosition, Ordinal};

/// Which outcome has which place, and how far the body has come.
#[derive(Debug)]
pub(super) struct Order {
    /// The newest outcome that the body has been given.
    delivered: Ordinal,
    /// The newest ordinal without a gap before it.
    known: Ordinal,
    /// Outcomes that have a place and were not delivered yet.
    placed: BTreeMap<Ordinal, CallPosition>,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            delivered: Ordinal::NONE,
            known: Ordinal::NONE,
            placed: BTreeMap::new(),
        }
    }
}

impl Order {
    /// Gives an operation's outcome its place.
    pub(super) fn put(&mut self, ordinal: Ordinal, position: CallPosition) {
        self.placed.insert(ordinal, position);
        while self.placed.contains_key(&self.known.next()) {
            self.known = self.known.next();
        }
    }

    /// Whose outcome is the next to be delivered, if it has come.
    pub(super) fn next(&self) -> Option<CallPosition> {
        self.placed.get(&self.delivered.next()).copied()
    }

    /// The body is given the next one.
    pub(super) fn deliver(&mut self) {
        self.delivered = self.delivered.next();
        self.placed.remove(&self.delivered);
    }

    /// Whose outcome has a place that was not delivered yet.
    pub(super) fn at(&self, ordinal: Ordinal) -> Option<CallPosition> {
        self.placed.get(&ordinal).copied()
    }

    pub(super) const fn delivered(&self) -> Ordinal {
        self.delivered
    }

    /// The newest ordinal without a gap before it.
    pub(super) const fn known(&self) -> Ordinal {
        self.known
    }

    /// The newest ordinal that is known.
    pub(super) fn newest(&self) -> Ordinal {
        self.placed
            .last_key_value()
            .map_or(self.delivered, |(ordinal, _)| self.delivered.max(*ordinal))
    }
}
