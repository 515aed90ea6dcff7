//! The rows of `lanes`, in memory. One never changes and never goes, so what is known of it stays true for as long as the server is the same: a standby
//! that took over may lack the newest rows, and give their numbers to others.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use stent_core::{FunctionName, Lane, Priority, QueueName, Task};

use crate::rows;

/// What a lane is called, beside its class.
pub(crate) type LaneNames = (QueueName, FunctionName, Priority);

/// What one store knows of the lanes.
#[derive(Debug, Default)]
pub(crate) struct Lanes(RwLock<Maps>);

#[derive(Debug, Default)]
struct Maps {
    by_row: HashMap<i32, LaneNames>,
    rows: HashMap<LaneNames, i32>,
}

impl Lanes {
    // What is kept under this lock is whole after each statement.
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Knows a committed row from now on.
    pub(crate) fn add(&self, row: i32, names: LaneNames) {
        let mut maps = self.write();
        maps.by_row.insert(row, names.clone());
        maps.rows.insert(names, row);
    }

    /// Knows nothing any more.
    pub(crate) fn forget(&self) {
        *self.write() = Maps::default();
    }

    /// Whether the row of a lane is known.
    pub(crate) fn knows(&self, number: i32) -> bool {
        self.read().by_row.contains_key(&rows::lane_row(number))
    }

    /// A lane by its number, if its row is known.
    pub(crate) fn lane(&self, number: i32) -> Option<Lane> {
        let maps = self.read();
        let (queue, function, priority) = maps.by_row.get(&rows::lane_row(number))?;
        Some(Lane {
            queue: queue.clone(),
            function: function.clone(),
            priority: *priority,
            class: rows::lane_class(number),
        })
    }

    /// The number of a task's lane, if its row is known.
    pub(crate) fn number(&self, task: &Task) -> Option<i32> {
        let names = (task.queue.clone(), task.function.clone(), task.priority);
        let row = *self.read().rows.get(&names)?;
        Some(rows::lane_number(row, task.class()))
    }

    /// Those of some lanes whose rows are not known, each once.
    pub(crate) fn unknown(&self, wanted: impl Iterator<Item = LaneNames>) -> Vec<LaneNames> {
        let maps = self.read();
        let mut unknown: Vec<_> = wanted
            .filter(|names| !maps.rows.contains_key(names))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }
}
