//! Functions with their limits and counts, and workers.

use std::collections::BTreeMap;

use stent_core::{
    FunctionName, Timestamp, WorkerName,
    defaults::WORKER_LISTED,
    store::{Counts, FunctionRecord, WorkerRecord, WorkerReport},
    time::micros,
};

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::{self, Reading},
    session::Session,
    statements::Sql,
    write::limits_of,
};

impl Session<'_> {
    /// Functions by name, with what waits, runs and holds slots.
    pub(crate) async fn function_records(&self) -> Result<Vec<FunctionRecord>, Fault> {
        let calls = [Call::new(Sql::ListLimits), Call::new(Sql::CountTasks)];
        let mut answers = self.pipeline(Frame::BeginRead, &calls).await?.into_iter();
        let mut functions: BTreeMap<FunctionName, FunctionRecord> = BTreeMap::new();
        for row in answers.next().into_iter().flatten() {
            let (name, limits) = limits_of(&row)?;
            let record = functions.entry(name).or_insert_with_key(unlimited);
            record.declared = limits.declared;
            record.by_operator = limits.by_operator;
        }
        let counted = answers.next().unwrap_or_default();
        let numbers: Result<Vec<i32>, Fault> = counted
            .iter()
            .map(|row| Reading::new(row, "tasks").get(0))
            .collect();
        self.know_lane_rows(numbers?.into_iter()).await?;
        for row in &counted {
            let row = Reading::new(row, "tasks");
            let number: i32 = row.get(0)?;
            let Some(lane) = self.shared.lanes.lane(number) else {
                continue;
            };
            let record = functions.entry(lane.function).or_insert_with_key(unlimited);
            let count = |column| -> Result<u64, Fault> {
                let count: i64 = row.get(column)?;
                Ok(u64::try_from(count).unwrap_or(0))
            };
            record.counts.pending += count(1)?;
            record.counts.running += count(2)?;
            record.counts.suspended += count(3)?;
            if stent_core::limit::effective(record.declared, record.by_operator).is_some() {
                let held = u32::try_from(count(4)?).unwrap_or(u32::MAX);
                record.slots_held = record.slots_held.saturating_add(held);
            }
        }
        Ok(functions.into_values().collect())
    }

    /// Workers that reported of late, the newest first.
    pub(crate) async fn worker_records(&self) -> Result<Vec<WorkerRecord>, Fault> {
        let calls = [Call::new(Sql::ListWorkers)
            .with(self.shared.injected_now())
            .with(micros(WORKER_LISTED))];
        let answers = self.pipeline(Frame::BeginRead, &calls).await?;
        answers.iter().flatten().map(worker).collect()
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

fn unlimited(name: &FunctionName) -> FunctionRecord {
    FunctionRecord {
        name: name.clone(),
        declared: None,
        by_operator: None,
        slots_held: 0,
        counts: Counts::default(),
    }
}

fn worker(row: &tokio_postgres::Row) -> Result<WorkerRecord, Fault> {
    let row = Reading::new(row, "workers");
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
