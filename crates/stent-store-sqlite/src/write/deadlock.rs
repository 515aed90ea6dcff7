//! Looking for tasks that could only wait for each other's slots.

use std::collections::BTreeSet;

use stent_core::{EntryHead, FunctionName, Task, TaskId, Timestamp, deadlock, limit::Slots};
use uuid::Uuid;

use super::claim::Served;
use crate::{error::Fault, session::Session, statements::Sql};

impl Session<'_> {
    /// Ends one task of each tangle that holds the worker's functions back. Now and then, and only while one of them has due work and no free slot.
    pub(super) fn break_deadlocks(
        &mut self,
        served: &Served<'_>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if !deadlock::is_search_due(self.deadlocks_looked_for_at, now) {
            return Ok(());
        }
        let mut starved = BTreeSet::new();
        for offer in self.waiting(served, now)?.due {
            let is_full = |slots: Slots| slots.free() == 0;
            if !offer.lane.class.holds_slot
                && self.slots(&offer.lane.function)?.is_some_and(is_full)
            {
                starved.insert(offer.lane.function);
            }
        }
        if starved.is_empty() {
            return Ok(());
        }
        self.deadlocks_looked_for_at = Some(now);
        let Some(found) = deadlock::find(&starved, now, &mut View(self))? else {
            return Ok(());
        };
        if let Some(stored) = self.find(found.victim.id)?
            && let Ok(transition) = deadlock::end_victim(found, now)
        {
            self.apply(stored.seq, &stored.task, transition, now)?;
        }
        Ok(())
    }
}

struct View<'v, 'c>(&'v mut Session<'c>);

impl deadlock::WaitView for View<'_, '_> {
    type Error = Fault;

    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Fault> {
        Ok(self.0.find(id)?.map(|stored| stored.task))
    }

    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Fault> {
        match self.0.find(id)? {
            Some(stored) => self.0.entries(stored.seq),
            None => Ok(Vec::new()),
        }
    }

    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Fault> {
        if self.0.slots(function)?.is_none_or(|slots| slots.free() > 0) {
            return Ok(None);
        }
        let mut holders = BTreeSet::new();
        for lane in self.0.lanes.of_function(function, true) {
            let mut rows = self.0.sql.get(Sql::ListSlotHolders)?.query([lane])?;
            while let Some(row) = rows.next()? {
                let id: [u8; 16] = row.get(0)?;
                holders.insert(TaskId::from_uuid(Uuid::from_bytes(id)));
            }
        }
        Ok(Some(holders))
    }
}
