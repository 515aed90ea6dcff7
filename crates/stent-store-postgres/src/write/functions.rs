//! Limits of functions and their slots, counted from the tasks that hold them, under the functions' locks.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::{
    FunctionName, Hint,
    limit::{Limits, Slots, holds_from_now},
};

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::Reading,
    session::Session,
    statements::Sql,
};

/// How a function is locked. The numbers are those of `lock_functions.sql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockMode {
    /// Alone if it is limited, because slots are given out; else against becoming limited meanwhile.
    IfLimited = 1,
    /// Alone, because its limit is changed.
    Alone = 2,
}

/// What a transaction knows of a function.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FunctionSlots {
    pub(crate) limits: Limits,
    /// Whether it was declared or limited before.
    pub(crate) is_stored: bool,
    held: u32,
}

impl FunctionSlots {
    /// Its slots, if it is limited.
    pub(crate) fn slots(&self) -> Option<Slots> {
        let limit = self.limits.effective()?;
        let held = self.held;
        Some(Slots { limit, held })
    }
}

/// Reads a function's limits.
pub(crate) fn limits_of(row: &tokio_postgres::Row) -> Result<(FunctionName, Limits), Fault> {
    let row = Reading::new(row, "function_limits");
    let name: &str = row.get(0)?;
    let name = FunctionName::new(name).map_err(|error| row.bad(error))?;
    let declared: Option<i32> = row.get(1)?;
    let by_operator: Option<i32> = row.get(3)?;
    let (declared, by_operator) = (declared.map(i64::from), by_operator.map(i64::from));
    let limits = Limits::from_stored(declared, row.get(2)?, by_operator);
    Ok((name, limits))
}

fn names_of<'n>(functions: impl Iterator<Item = &'n FunctionName>) -> Vec<String> {
    functions.map(|name| name.as_str().to_owned()).collect()
}

impl Session<'_> {
    /// Locks functions, and reads their limits and slots. This comes before any other lock; what comes next has the frame that is answered.
    pub(crate) async fn lock_functions(
        &mut self,
        frame: Frame,
        functions: BTreeMap<FunctionName, LockMode>,
    ) -> Result<Frame, Fault> {
        if functions.is_empty() {
            return Ok(frame);
        }
        let names = names_of(functions.keys());
        let modes: Vec<i16> = functions.values().map(|mode| *mode as i16).collect();
        let calls = [
            Call::new(Sql::LockFunctions)
                .with(names.clone())
                .with(modes)
                .with(self.shared.statements.schema().to_owned()),
            Call::new(Sql::ReadLimits).with(names.clone()),
            Call::new(Sql::CountSlots).with(names),
        ];
        let mut answers = self.pipeline(frame, &calls).await?.into_iter();
        let locked = answers.next().unwrap_or_default();
        self.know_functions(functions.into_keys(), answers)?;
        for row in locked {
            let row = Reading::new(&row, "function_limits");
            let name: &str = row.get(0)?;
            let alone: bool = row.get(1)?;
            let is_limited = |known: &FunctionSlots| known.slots().is_some();
            let name = FunctionName::new(name).map_err(|error| row.bad(error))?;
            if !alone && self.functions.get(&name).is_some_and(is_limited) {
                // It became limited between the look and the lock.
                return Err(Fault::Again);
            }
        }
        Ok(Frame::Middle)
    }

    /// Reads a function's limit as it is now, without a lock: for what does not give slots out.
    pub(crate) async fn read_limit(&mut self, function: FunctionName) -> Result<(), Fault> {
        let names = names_of(std::iter::once(&function));
        let calls = [
            Call::new(Sql::ReadLimits).with(names.clone()),
            Call::new(Sql::CountSlots).with(names),
        ];
        let answers = self.pipeline(Frame::Middle, &calls).await?.into_iter();
        self.know_functions(std::iter::once(function), answers)
    }

    pub(crate) fn know_functions(
        &mut self,
        functions: impl Iterator<Item = FunctionName>,
        mut answers: impl Iterator<Item = Vec<tokio_postgres::Row>>,
    ) -> Result<(), Fault> {
        for function in functions {
            self.functions.insert(function, FunctionSlots::default());
        }
        for row in answers.next().into_iter().flatten() {
            let (name, limits) = limits_of(&row)?;
            let known = self.functions.entry(name).or_default();
            known.limits = limits;
            known.is_stored = true;
        }
        for row in answers.next().into_iter().flatten() {
            let row = Reading::new(&row, "lanes");
            let name: &str = row.get(0)?;
            let name = FunctionName::new(name).map_err(|error| row.bad(error))?;
            let known = self.functions.entry(name).or_default();
            known.held = known.held.saturating_add(row.large_count(1)?);
        }
        Ok(())
    }

    /// Counts a slot that a task takes or gives up.
    pub(crate) fn count_slot(&mut self, function: &FunctionName, before: bool, after: bool) {
        if before == after {
            return;
        }
        if let Some(known) = self.functions.get_mut(function) {
            known.held = if after {
                known.held.saturating_add(1)
            } else {
                known.held.saturating_sub(1)
            };
        }
    }

    /// The limits of a function that is locked, if it was declared or limited before.
    pub(crate) fn stored_limits(&self, function: &FunctionName) -> Option<Limits> {
        let known = self.functions.get(function);
        known.filter(|known| known.is_stored).map(|it| it.limits)
    }

    /// Knows other limits of a function, which is locked alone and whose limits are saved by the caller. If they make it a limited one, some of its
    /// tasks hold a slot from now on.
    pub(crate) async fn change_limits(
        &mut self,
        function: &FunctionName,
        limits: Limits,
    ) -> Result<(), Fault> {
        let known = self.functions.entry(function.clone()).or_default();
        let before = std::mem::replace(&mut known.limits, limits);
        known.is_stored = true;
        if let Some(limit) = limits.begun_since(&before) {
            let rows = self
                .query(Sql::ListUnslotted, &[&function.as_str()])
                .await?;
            let ids: Result<Vec<_>, Fault> = rows
                .iter()
                .map(|row| Reading::new(row, "task_rows").task_id(0))
                .collect();
            let ids = ids?;
            let places = self.places(ids.iter().copied()).await?;
            let executions: BTreeSet<_> = places.values().map(|place| place.execution).collect();
            self.lock(Frame::Middle, executions.into_iter().collect(), ids.clone())
                .await?;
            for id in ids {
                if let Some(task) = self.tasks.get(id)
                    && !task.holds_slot
                    && holds_from_now(task.state.kind(), limit)
                {
                    let mut holding = task.clone();
                    holding.holds_slot = true;
                    self.save(holding, None);
                }
            }
        }
        // A limit that was raised or unset may let waiting tasks start.
        self.hint(Hint::SlotFreed {
            function: function.clone(),
        });
        Ok(())
    }
}
