//! Functions with their limits and counts, queues, and workers.

use std::collections::BTreeMap;

use stent_core::{
    FunctionName, Lane, QueueName, Timestamp, WorkerName,
    defaults::WORKER_LISTED,
    limit::Limits,
    store::{Counts, FunctionRecord, QueueRecord, WorkerRecord, WorkerReport},
    time::micros,
};

use super::listing::readable;
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::{self, Reading},
    session::Session,
    statements::Sql,
    write::limits_of,
};

/// The tasks of a lane that have not ended.
struct LaneCounts {
    lane: Lane,
    counts: Counts,
    slots_held: u32,
    first_due: Option<Timestamp>,
    now: Timestamp,
}

impl Session<'_> {
    /// Functions by name, with what waits, runs and holds slots.
    pub(crate) async fn function_records(&self) -> Result<Vec<FunctionRecord>, Fault> {
        let calls = [Call::new(Sql::ListLimits), self.count_tasks()];
        let mut answers = self.pipeline(Frame::BeginRead, &calls).await?.into_iter();
        let mut functions: BTreeMap<FunctionName, FunctionRecord> = BTreeMap::new();
        for row in answers.next().into_iter().flatten() {
            if let Some((name, limits)) = readable(limits_of(&row), false)? {
                functions.insert(name.clone(), FunctionRecord::new(name, limits));
            }
        }
        for counted in self.by_lane(answers.next().unwrap_or_default()).await? {
            let function = functions.entry(counted.lane.function);
            let record = function
                .or_insert_with_key(|name| FunctionRecord::new(name.clone(), Limits::default()));
            record.counts.add_all(&counted.counts);
            if record.limits.effective().is_some() {
                record.slots_held = record.slots_held.saturating_add(counted.slots_held);
            }
        }
        Ok(functions.into_values().collect())
    }

    /// Queues by name, with what waits and runs.
    pub(crate) async fn queue_records(&self) -> Result<Vec<QueueRecord>, Fault> {
        let calls = [self.count_tasks()];
        let mut answers = self.pipeline(Frame::BeginRead, &calls).await?.into_iter();
        let mut queues: BTreeMap<QueueName, QueueRecord> = BTreeMap::new();
        for counted in self.by_lane(answers.next().unwrap_or_default()).await? {
            let queue = queues.entry(counted.lane.queue);
            let record = queue.or_insert_with_key(|name| QueueRecord::new(name.clone()));
            record.counts.add_all(&counted.counts);
            record.add_due(counted.first_due, counted.now);
        }
        Ok(queues.into_values().collect())
    }

    fn count_tasks(&self) -> Call {
        Call::new(Sql::CountTasks).with(self.shared.injected_now())
    }

    async fn by_lane(&self, counted: Vec<tokio_postgres::Row>) -> Result<Vec<LaneCounts>, Fault> {
        let numbers: Result<Vec<i32>, Fault> = counted
            .iter()
            .map(|row| Reading::new(row, "task_rows").get(0))
            .collect();
        self.know_lane_rows(numbers?.into_iter()).await?;
        let mut by_lane = Vec::with_capacity(counted.len());
        for row in &counted {
            let row = Reading::new(row, "task_rows");
            let Some(lane) = self.shared.lanes.lane(row.get(0)?) else {
                continue;
            };
            let count = |column| -> Result<u64, Fault> {
                let count: i64 = row.get(column)?;
                Ok(u64::try_from(count).unwrap_or(0))
            };
            let first_due: Option<i64> = row.get(5)?;
            by_lane.push(LaneCounts {
                lane,
                counts: Counts {
                    pending: count(1)?,
                    running: count(2)?,
                    suspended: count(3)?,
                },
                slots_held: u32::try_from(count(4)?).unwrap_or(u32::MAX),
                first_due: first_due.map(Timestamp::from_micros),
                now: row.time(6)?,
            });
        }
        Ok(by_lane)
    }

    /// Workers that reported of late, the newest first.
    pub(crate) async fn worker_records(&self) -> Result<Vec<WorkerRecord>, Fault> {
        let calls = [Call::new(Sql::ListWorkers)
            .with(self.shared.injected_now())
            .with(micros(WORKER_LISTED))];
        let answers = self.pipeline(Frame::BeginRead, &calls).await?;
        let workers = answers.iter().flatten().map(worker);
        let listed = workers.map(|worker| readable(worker, false));
        Ok(listed
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Knows the lanes of tasks' rows.
    pub(crate) async fn know_lanes(&self, tasks: &[tokio_postgres::Row]) -> Result<(), Fault> {
        let numbers = tasks.iter().filter_map(|row| rows::lane_of(row).ok());
        self.know_lane_rows(numbers).await
    }

    async fn know_lane_rows(&self, numbers: impl Iterator<Item = i32>) -> Result<(), Fault> {
        let mut unknown: Vec<i32> = numbers
            .filter(|number| !self.shared.lanes.knows(*number))
            .map(rows::lane_row)
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable();
        unknown.dedup();
        for row in self.query(Sql::ListLanes, &[&unknown]).await? {
            self.know_lane(&row)?;
        }
        Ok(())
    }
}

fn worker(row: &tokio_postgres::Row) -> Result<WorkerRecord, Fault> {
    let row = Reading::new(row, "worker_reports");
    let name: &str = row.get(0)?;
    Ok(WorkerRecord {
        report: WorkerReport {
            name: WorkerName::new(name).map_err(|error| row.bad(error))?,
            capacity: row.large_count(1)?,
            leased: row.large_count(2)?,
            draining: row.get(3)?,
        },
        since: Timestamp::from_micros(row.get(4)?),
        seen_at: Timestamp::from_micros(row.get(5)?),
    })
}
