//! Looking for tasks that could only wait for each other's slots.

use std::{collections::BTreeSet, convert::Infallible};

use stent_core::{EntryHead, FunctionName, Task, TaskId, deadlock, store::ClaimRequest};

use crate::{store::Transaction, tables::Tables};

impl Transaction<'_> {
    /// Ends one task of each tangle that holds the worker's functions back. Now and then, and only while one of them has due work and no free slot.
    pub(crate) fn break_deadlocks(&mut self, request: &ClaimRequest) {
        if !deadlock::is_search_due(self.tables.deadlocks_looked_for_at, self.now) {
            return;
        }
        let starved: BTreeSet<FunctionName> = self
            .served(request)
            .into_iter()
            .filter(|lane| !lane.class.holds_slot && self.is_due(lane))
            .map(|lane| lane.function)
            .filter(|function| {
                self.tables
                    .slots(function)
                    .is_some_and(|slots| slots.free() == 0)
            })
            .collect();
        if starved.is_empty() {
            return;
        }
        self.tables.deadlocks_looked_for_at = Some(self.now);
        let found = match deadlock::find(&starved, self.now, &mut View(self.tables)) {
            Ok(found) => found,
            Err(never) => match never {},
        };
        if let Some(Ok(transition)) = found.map(|found| deadlock::end_victim(found, self.now)) {
            self.apply(transition);
        }
    }
}

struct View<'t>(&'t Tables);

impl deadlock::WaitView for View<'_> {
    type Error = Infallible;

    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Infallible> {
        Ok(self.0.row(id).map(|row| row.task.clone()))
    }

    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Infallible> {
        let row = self.0.row(id).into_iter();
        Ok(row
            .flat_map(|row| row.entries.values().map(|entry| entry.head.clone()))
            .collect())
    }

    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Infallible> {
        let full = self
            .0
            .slots(function)
            .is_some_and(|slots| slots.free() == 0);
        Ok(full.then(|| {
            self.0
                .index
                .slots
                .get(function)
                .cloned()
                .unwrap_or_default()
        }))
    }
}
