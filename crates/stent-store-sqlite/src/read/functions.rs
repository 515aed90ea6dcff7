//! Functions with their limits and counts, and workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stent_core::{
    Clock, FunctionName, Timestamp, WorkerName,
    defaults::WORKER_LISTED,
    limit::effective,
    store::{Counts, FunctionRecord, WorkerRecord, WorkerReport},
};

use crate::{error::Fault, reader::Snapshot, rows, session::load_limits, statements::Sql};

impl Snapshot<'_> {
    /// Functions by name, with what waits, runs and holds slots.
    pub(crate) fn functions(&mut self) -> Result<Vec<FunctionRecord>, Fault> {
        let limits = load_limits(&mut self.sql)?;
        let mut functions: BTreeMap<FunctionName, FunctionRecord> = limits
            .into_iter()
            .map(|(name, limits)| {
                let record = FunctionRecord {
                    name: name.clone(),
                    declared: limits.declared,
                    by_operator: limits.by_operator,
                    slots_held: 0,
                    counts: Counts::default(),
                };
                (name, record)
            })
            .collect();
        let known: BTreeSet<FunctionName> = functions.keys().cloned().collect();
        let lanes: Vec<(i64, FunctionName, bool)> = self
            .lanes
            .all()
            .map(|(number, lane)| (number, lane.function.clone(), lane.class.holds_slot))
            .collect();
        let running = self.running()?;
        for (lane, name, holds_slot) in lanes {
            let record = functions
                .entry(name)
                .or_insert_with_key(|name| FunctionRecord {
                    name: name.clone(),
                    declared: None,
                    by_operator: None,
                    slots_held: 0,
                    counts: Counts::default(),
                });
            self.add_counts(&mut record.counts, lane)?;
            record.counts.running += running.get(&lane).copied().unwrap_or(0);
            if holds_slot && effective(record.declared, record.by_operator).is_some() {
                record.slots_held += self.slots_held(lane)?;
            }
        }
        let mut functions: Vec<_> = functions.into_iter().collect();
        functions
            .retain(|(name, record)| known.contains(name) || record.counts != Counts::default());
        Ok(functions.into_iter().map(|(_, record)| record).collect())
    }

    /// Leased tasks by lane.
    fn running(&mut self) -> Result<HashMap<i64, u64>, Fault> {
        let mut rows = self.sql.get(Sql::CountLeased)?.raw_query();
        let mut running = HashMap::new();
        while let Some(row) = rows.next()? {
            running.insert(row.get(0)?, row.get::<_, u32>(1)?.into());
        }
        Ok(running)
    }

    fn add_counts(&mut self, counts: &mut Counts, lane: i64) -> Result<(), Fault> {
        let statement = self.sql.get(Sql::CountWaiting)?;
        let waiting: u32 = statement.query_row([lane], |row| row.get(0))?;
        let statement = self.sql.get(Sql::CountSuspended)?;
        let (suspended, with_time): (u32, u32) =
            statement.query_row([lane], |row| Ok((row.get(0)?, row.get(1)?)))?;
        counts.pending += u64::from(waiting.saturating_sub(with_time));
        counts.suspended += u64::from(suspended);
        Ok(())
    }

    fn slots_held(&mut self, lane: i64) -> Result<u32, Fault> {
        let statement = self.sql.get(Sql::CountSlots)?;
        Ok(statement.query_row([lane], |row| row.get(0))?)
    }

    /// Workers that reported of late, the newest first.
    pub(crate) fn workers(&mut self, clock: &dyn Clock) -> Result<Vec<WorkerRecord>, Fault> {
        let since = clock.now().saturating_sub(WORKER_LISTED);
        let statement = self.sql.get(Sql::ListWorkers)?;
        let mut rows = statement.query([since.as_micros()])?;
        let mut workers = Vec::new();
        while let Some(row) = rows.next()? {
            let name = rows::text(row, 0, "workers", 0)?;
            let name = WorkerName::new(name).map_err(|error| Fault::Row {
                table: "workers",
                row: 0,
                what: error.to_string(),
            })?;
            workers.push(WorkerRecord {
                report: WorkerReport {
                    name,
                    capacity: row.get(1)?,
                    leased: row.get(2)?,
                    draining: row.get(3)?,
                },
                since: Timestamp::from_micros(row.get(4)?),
                seen_at: Timestamp::from_micros(row.get(5)?),
            });
        }
        Ok(workers)
    }
}
