//! Slots of limited functions, counted from the tasks that hold them.

use stent_core::{
    FunctionName, Hint,
    limit::{Limits, Slots, holds_from_now},
};

use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

impl Session<'_> {
    /// The slots of a function, if it is limited. The write lock of the transaction is the function's lock.
    pub(super) fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Fault> {
        let Some(limit) = self.limit(function) else {
            return Ok(None);
        };
        let lanes = self.lanes.of_function(function, true);
        let statement = self.sql.get(Sql::CountSlots)?;
        let mut held: u32 = 0;
        for lane in lanes {
            let count: u32 = statement.query_row([lane], |row| row.get(0))?;
            held = held.saturating_add(count);
        }
        Ok(Some(Slots { limit, held }))
    }

    /// Knows other limits of a function, which were saved. If they make it a limited one, some of its tasks hold a slot from now on.
    pub(super) fn change_limits(
        &mut self,
        function: &FunctionName,
        limits: Limits,
    ) -> Result<(), Fault> {
        let before = self.limits(function).unwrap_or_default();
        self.set_limits(function.clone(), limits);
        if let Some(limit) = limits.begun_since(&before) {
            for lane in self.lanes.of_function(function, false) {
                let mut tasks = self.list(Sql::ListLeased, [lane])?;
                tasks.extend(self.list(Sql::ListSuspended, [lane])?);
                tasks.retain(|stored| holds_from_now(stored.task.state.kind(), limit));
                for Stored { seq, task } in tasks {
                    let mut holding = task.clone();
                    holding.holds_slot = true;
                    self.save(seq, &task, holding, None)?;
                }
            }
        }
        // A limit that was raised or unset may let waiting tasks start.
        self.hint(|| Hint::SlotFreed {
            function: function.clone(),
        });
        Ok(())
    }
}
