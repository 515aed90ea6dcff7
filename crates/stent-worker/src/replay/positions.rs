//! Which call position an operation has: the next in program order, or that of its key.

use std::collections::BTreeMap;

use stent_core::{CallKey, CallPosition};

/// Where keyed calls get their positions, apart from those that are counted in program order.
const FIRST_KEYED: u32 = 1 << 31;

/// Positions that are given out, and those of keys.
#[derive(Debug)]
pub(super) struct Positions {
    keys: BTreeMap<CallKey, CallPosition>,
    next: CallPosition,
    next_keyed: CallPosition,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            keys: BTreeMap::new(),
            next: CallPosition::FIRST,
            next_keyed: CallPosition(FIRST_KEYED),
        }
    }
}

impl Positions {
    /// Learns the position of a recorded operation.
    pub(super) fn load(&mut self, position: CallPosition, key: Option<&CallKey>) {
        if let Some(key) = key {
            self.keys.insert(key.clone(), position);
        }
        if position.0 >= FIRST_KEYED {
            self.next_keyed = self.next_keyed.max(position.next());
        }
    }

    /// Takes the next position in program order.
    pub(super) fn reserve(&mut self) -> CallPosition {
        let position = self.next;
        self.next = position.next();
        position
    }

    /// Gives a position back, if it is the newest.
    pub(super) fn release(&mut self, position: CallPosition) {
        if position.next() == self.next {
            self.next = position;
        }
    }

    /// The position of a key, which is a new one if the key is.
    pub(super) fn of_key(&mut self, key: &CallKey) -> CallPosition {
        if let Some(position) = self.keys.get(key) {
            return *position;
        }
        let position = self.next_keyed;
        self.next_keyed = position.next();
        self.keys.insert(key.clone(), position);
        position
    }
}
