//! Functions with their limits and counts, queues, and workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Row;
use stent_core::{
    FunctionName, Lane, QueueName, Timestamp, WorkerName,
    defaults::WORKER_LISTED,
    limit::Limits,
    store::{Counts, FunctionRecord, QueueRecord, WorkerRecord, WorkerReport},
};

use super::listing::readable;
use crate::{error::Fault, reader::Snapshot, rows, session::load_limits, statements::Sql};

/// The tasks of a lane that have not ended.
struct LaneCounts {
    number: i64,
    lane: Lane,
    counts: Counts,
    first_due: Option<Timestamp>,
}

impl Snapshot<'_> {
    /// Functions by name, with what waits, runs and holds slots.
    pub(crate) fn functions(&mut self) -> Result<Vec<FunctionRecord>, Fault> {
        let limits = load_limits(&mut self.sql)?;
        let known = limits.into_iter();
        let mut functions: BTreeMap<FunctionName, FunctionRecord> = known
            .map(|(name, limits)| (name.clone(), FunctionRecord::new(name, limits)))
            .collect();
        let known: BTreeSet<FunctionName> = functions.keys().cloned().collect();
        for counted in self.count_lanes()? {
            let function = functions.entry(counted.lane.function);
            let record = function
                .or_insert_with_key(|name| FunctionRecord::new(name.clone(), Limits::default()));
            record.counts.add_all(&counted.counts);
            if counted.lane.class.holds_slot && record.limits.effective().is_some() {
                record.slots_held += self.slots_held(counted.number)?;
            }
        }
        let is_listed = |record: &FunctionRecord| {
            known.contains(&record.name) || record.counts != Counts::default()
        };
        let functions = functions.into_values();
        Ok(functions.filter(is_listed).collect())
    }

    /// Queues by name, with what waits and runs.
    pub(crate) fn queues(&mut self, now: Timestamp) -> Result<Vec<QueueRecord>, Fault> {
        let mut queues: BTreeMap<QueueName, QueueRecord> = BTreeMap::new();
        for counted in self.count_lanes()? {
            let queue = queues.entry(counted.lane.queue);
            let record = queue.or_insert_with_key(|name| QueueRecord::new(name.clone()));
            record.counts.add_all(&counted.counts);
            record.add_due(counted.first_due, now);
        }
        let is_listed = |record: &QueueRecord| record.counts != Counts::default();
        Ok(queues.into_values().filter(is_listed).collect())
    }

    fn count_lanes(&mut self) -> Result<Vec<LaneCounts>, Fault> {
        let lanes: Vec<(i64, Lane)> = self
            .lanes
            .all()
            .map(|(number, lane)| (number, lane.clone()))
            .collect();
        let mut running = self.running()?;
        let mut counted = Vec::with_capacity(lanes.len());
        for (number, lane) in lanes {
            let statement = self.sql.get(Sql::CountWaiting)?;
            let (waiting, first_due): (u32, Option<i64>) =
                statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let statement = self.sql.get(Sql::CountSuspended)?;
            let (suspended, with_time): (u32, u32) =
                statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            counted.push(LaneCounts {
                counts: Counts {
                    pending: u64::from(waiting.saturating_sub(with_time)),
                    running: running.remove(&number).unwrap_or(0),
                    suspended: u64::from(suspended),
                },
                first_due: first_due.map(Timestamp::from_micros),
                number,
                lane,
            });
        }
        Ok(counted)
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

    fn slots_held(&mut self, lane: i64) -> Result<u32, Fault> {
        let statement = self.sql.get(Sql::CountSlots)?;
        Ok(statement.query_row([lane], |row| row.get(0))?)
    }

    /// Workers that reported of late, the newest first.
    pub(crate) fn workers(&mut self, now: Timestamp) -> Result<Vec<WorkerRecord>, Fault> {
        let since = now.saturating_sub(WORKER_LISTED);
        let statement = self.sql.get(Sql::ListWorkers)?;
        let mut rows = statement.query([since.as_micros()])?;
        let mut workers = Vec::new();
        while let Some(row) = rows.next()? {
            workers.extend(readable(worker(row), false)?);
        }
        Ok(workers)
    }
}

fn worker(row: &Row<'_>) -> Result<WorkerRecord, Fault> {
    let name = rows::text(row, 0, "workers", 0)?;
    let name = WorkerName::new(name).map_err(|error| Fault::Row {
        table: "workers",
        row: 0,
        what: error.to_string(),
    })?;
    Ok(WorkerRecord {
        report: WorkerReport {
            name,
            capacity: row.get(1)?,
            leased: row.get(2)?,
            draining: row.get(3)?,
        },
        since: Timestamp::from_micros(row.get(4)?),
        seen_at: Timestamp::from_micros(row.get(5)?),
    })
}
