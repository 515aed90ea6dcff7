//! The lanes of a database, in memory. A lane never changes and never goes, so what is known of one stays true.

use std::collections::HashMap;

use rusqlite::{Row, params};
use stent_core::{FunctionName, Lane, LaneClass, Priority, QueueName, Task};

use crate::{
    error::Fault,
    rows,
    statements::{Sql, Statements},
};

/// What one connection knows of the lanes.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    by_number: HashMap<i64, Lane>,
    numbers: HashMap<Lane, i64>,
    of_function: HashMap<FunctionName, Vec<i64>>,
    /// The number of the newest one that was looked at.
    newest: i64,
    /// The one that was asked for last.
    last: Option<(i64, Lane)>,
}

impl Lanes {
    /// A lane that is known.
    pub(crate) fn known(&self, number: i64) -> Result<&Lane, Fault> {
        self.by_number.get(&number).ok_or_else(|| Fault::Row {
            table: "lanes",
            row: number,
            what: "there is no such lane".into(),
        })
    }

    /// The number of a task's lane, which is made if it is new.
    pub(crate) fn number(&mut self, sql: &mut Statements<'_>, task: &Task) -> Result<i64, Fault> {
        // Tasks of one lane mostly come in a row.
        if let Some((number, lane)) = &self.last
            && is_lane_of(lane, task)
        {
            return Ok(*number);
        }
        let lane = task.lane();
        let number = match self.numbers.get(&lane) {
            Some(number) => *number,
            None => {
                let number = insert(sql, &lane)?;
                self.add(number, lane.clone());
                number
            }
        };
        self.last = Some((number, lane));
        Ok(number)
    }

    /// Reads the lanes that were made since. One that cannot be read is left out, and so are its tasks.
    pub(crate) fn catch_up(&mut self, sql: &mut Statements<'_>) -> Result<(), Fault> {
        let mut rows = sql.get(Sql::ListLanes)?.query([self.newest])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            match lane(row) {
                Ok(lane) => self.add(number, lane),
                Err(error) => {
                    tracing::warn!(%error, "a lane cannot be read; its tasks are left alone");
                    self.newest = number;
                }
            }
        }
        Ok(())
    }

    /// Every lane that is known, with its number.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i64, &Lane)> {
        self.by_number.iter().map(|(number, lane)| (*number, lane))
    }

    /// The numbers of a function's lanes whose tasks hold a slot, or of those whose tasks don't.
    pub(crate) fn of_function(&self, function: &FunctionName, holds_slot: bool) -> Vec<i64> {
        let all = self.of_function.get(function).into_iter().flatten();
        let is_wanted = |number: &i64| {
            let lane = self.by_number.get(number);
            lane.is_some_and(|lane| lane.class.holds_slot == holds_slot)
        };
        all.copied().filter(is_wanted).collect()
    }

    fn add(&mut self, number: i64, lane: Lane) {
        self.newest = self.newest.max(number);
        let of_function = self.of_function.entry(lane.function.clone());
        of_function.or_default().push(number);
        self.by_number.insert(number, lane.clone());
        self.numbers.insert(lane, number);
    }
}

fn is_lane_of(lane: &Lane, task: &Task) -> bool {
    lane.class == task.class()
        && lane.priority == task.priority
        && lane.function == task.function
        && lane.queue == task.queue
}

fn insert(sql: &mut Statements<'_>, lane: &Lane) -> Result<i64, Fault> {
    let statement = sql.get(Sql::InsertLane)?;
    let number = statement.query_row(
        params![
            lane.queue.as_str(),
            lane.function.as_str(),
            lane.priority.0,
            lane.class.holds_slot,
            lane.class.suspect
        ],
        |row| row.get(0),
    )?;
    Ok(number)
}

fn lane(row: &Row<'_>) -> Result<Lane, Fault> {
    let number = row.get(0)?;
    let bad = |error: stent_core::NameError| Fault::Row {
        table: "lanes",
        row: number,
        what: error.to_string(),
    };
    Ok(Lane {
        queue: QueueName::new(rows::text(row, 1, "lanes", number)?).map_err(bad)?,
        function: FunctionName::new(rows::text(row, 2, "lanes", number)?).map_err(bad)?,
        priority: Priority(row.get(3)?),
        class: LaneClass {
            holds_slot: row.get(4)?,
            suspect: row.get(5)?,
        },
    })
}
