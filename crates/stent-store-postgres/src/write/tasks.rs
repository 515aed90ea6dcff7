//! Tasks that a transaction has read or made, and how they are saved.

use std::collections::HashMap;

use stent_core::{ExecutionId, Outcome, Payload, StateKind, Task, TaskId, Timestamp, time::micros};
use uuid::Uuid;

use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows,
    session::Session,
    shared::Place,
    statements::Sql,
};

/// What a transaction knows of tasks.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// `None` for one that does not exist.
    known: HashMap<TaskId, Option<Known>>,
    /// Those whose rows this version cannot read, and why.
    unreadable: HashMap<TaskId, String>,
    /// Those that were made, in order.
    made: Vec<TaskId>,
    /// Those that were changed, in the order of their first change.
    changed: Vec<TaskId>,
}

#[derive(Debug)]
struct Known {
    task: Task,
    /// How it ended in this transaction.
    outcome: Option<String>,
    /// Its arguments, if it was made in this transaction.
    input: Option<Payload>,
    is_changed: bool,
    /// Whether all that has changed is that it ended.
    has_only_ended: bool,
}

/// Whether the one change of a task is that it was leased and ends now.
fn only_ends(before: &Task, after: &Task, now: Timestamp) -> bool {
    let ended = || Task {
        state: after.state.clone(),
        holds_slot: after.holds_slot,
        commits: after.commits,
        ..before.clone()
    };
    before.state.kind() == StateKind::Running
        && after.state.ended_at() == Some(now)
        && ended() == *after
}

impl Changes {
    /// A task that is known to exist.
    pub(crate) fn get(&self, id: TaskId) -> Option<&Task> {
        Some(&self.known.get(&id)?.as_ref()?.task)
    }

    /// Whether it is known whether a task exists.
    pub(crate) fn is_known(&self, id: TaskId) -> bool {
        self.known.contains_key(&id)
    }

    /// Knows a task that was read; nothing, if it was known already.
    pub(crate) fn read(&mut self, task: Task) {
        self.known.entry(task.id).or_insert(Some(Known {
            task,
            outcome: None,
            input: None,
            is_changed: false,
            has_only_ended: false,
        }));
    }

    /// Knows that those of some tasks that were not read do not exist.
    pub(crate) fn no_others(&mut self, ids: impl Iterator<Item = TaskId>) {
        for id in ids {
            self.known.entry(id).or_insert(None);
        }
    }

    /// Fails for a task whose row could not be read.
    fn check(&self, id: TaskId) -> Result<(), Fault> {
        match self.unreadable.get(&id) {
            None => Ok(()),
            Some(what) => Err(Fault::Row {
                table: "task_rows",
                row: id.to_string(),
                what: what.clone(),
            }),
        }
    }

    fn make(&mut self, task: Task, input: Payload) {
        self.made.push(task.id);
        self.known.insert(
            task.id,
            Some(Known {
                task,
                outcome: None,
                input: Some(input),
                is_changed: false,
                has_only_ended: false,
            }),
        );
    }

    /// Keeps a task as it is now; how it was before.
    fn save(&mut self, task: Task, outcome: Option<&Outcome>, now: Timestamp) -> Option<Task> {
        let known = self.known.get_mut(&task.id)?.as_mut()?;
        if outcome.is_some() {
            known.outcome = outcome.and_then(Outcome::stored_text);
        }
        if known.input.is_none() && known.task != task {
            known.has_only_ended = !known.is_changed && only_ends(&known.task, &task, now);
            if !std::mem::replace(&mut known.is_changed, true) {
                self.changed.push(task.id);
            }
        }
        Some(std::mem::replace(&mut known.task, task))
    }

    fn of<'c>(&'c self, ids: &'c [TaskId]) -> impl Iterator<Item = &'c Known> {
        ids.iter().filter_map(|id| self.known.get(id)?.as_ref())
    }
}

/// The ids of tasks as a parameter.
pub(crate) fn uuids(ids: impl IntoIterator<Item = TaskId>) -> Vec<Uuid> {
    ids.into_iter().map(|id| *id.as_uuid()).collect()
}

impl Session<'_> {
    /// Reads the tasks of rows, with their lanes.
    pub(crate) async fn stored(&self, rows: &[tokio_postgres::Row]) -> Result<Vec<Task>, Fault> {
        self.know_lanes(rows).await?;
        rows.iter().map(|row| self.stored_one(row)).collect()
    }

    /// Reads a task whose lane is known.
    pub(crate) fn stored_one(&self, row: &tokio_postgres::Row) -> Result<Task, Fault> {
        let number = rows::lane_of(row)?;
        let lane = self.shared.lanes.lane(number).ok_or_else(|| {
            let reading = rows::Reading::new(row, "task_rows");
            reading.bad(format!("its lane {number} does not exist"))
        })?;
        rows::task(row, &lane)
    }

    /// Locks executions by their roots, then tasks of theirs, in the order of the ids, and knows them.
    pub(crate) async fn lock(
        &mut self,
        frame: Frame,
        executions: Vec<ExecutionId>,
        tasks: Vec<TaskId>,
    ) -> Result<(), Fault> {
        let roots: Vec<TaskId> = executions
            .iter()
            .map(|execution| execution.root())
            .collect();
        let mut calls = vec![Call::new(Sql::LockTasks).with(uuids(roots.iter().copied()))];
        if !tasks.is_empty() {
            calls.push(Call::new(Sql::LockTasks).with(uuids(tasks.iter().copied())));
        }
        let answers = self.pipeline(frame, &calls).await?;
        for rows in answers {
            self.know_tasks(&rows).await?;
        }
        self.tasks.no_others(roots.into_iter().chain(tasks));
        self.locked.extend(executions);
        Ok(())
    }

    /// Knows the tasks of rows that were read under their lock. One that cannot be read is left alone, and fails only who asks for it.
    pub(crate) async fn know_tasks(&mut self, rows: &[tokio_postgres::Row]) -> Result<(), Fault> {
        self.know_lanes(rows).await?;
        for row in rows {
            match self.stored_one(row) {
                Ok(task) => self.tasks.read(task),
                Err(error @ Fault::Row { .. }) => {
                    tracing::warn!(%error, "a task cannot be read and is left alone");
                    let id = rows::Reading::new(row, "task_rows").task_id(0)?;
                    self.tasks.unreadable.insert(id, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A task of an execution that is locked.
    pub(crate) async fn find(&mut self, id: TaskId) -> Result<Option<Task>, Fault> {
        self.find_all(&[id]).await?;
        self.tasks.check(id)?;
        Ok(self.tasks.get(id).cloned())
    }

    /// Reads tasks that are not known yet.
    pub(crate) async fn find_all(&mut self, ids: &[TaskId]) -> Result<(), Fault> {
        let unknown: Vec<TaskId> = ids
            .iter()
            .copied()
            .filter(|id| !self.tasks.is_known(*id))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted = uuids(unknown.iter().copied());
        let rows = self.query(Sql::LockTasks, &[&wanted]).await?;
        self.know_tasks(&rows).await?;
        self.tasks.no_others(unknown.into_iter());
        Ok(())
    }

    /// Keeps what a rule made of a task, with its outcome if it ended.
    pub(crate) fn save(&mut self, task: Task, outcome: Option<&Outcome>) {
        let function = task.function.clone();
        let holds = task.holds_slot;
        if let Some(before) = self.tasks.save(task, outcome, self.now) {
            self.count_slot(&function, before.holds_slot, holds);
        }
    }

    /// Adds a child; nothing, if its id exists.
    pub(crate) async fn insert_child(&mut self, task: &Task, input: &Payload) -> Result<(), Fault> {
        if self.find(task.id).await?.is_some() {
            return Ok(());
        }
        self.count_slot(&task.function, false, task.holds_slot);
        if let Some(parent) = task.parent
            && let Some(children) = self.children.get_mut(&parent.task)
        {
            children.push(task.id);
        }
        self.tasks.make(task.clone(), input.clone());
        Ok(())
    }

    /// Children of a task that have not ended, in the order of their making.
    pub(crate) async fn live_children(&mut self, parent: TaskId) -> Result<Vec<TaskId>, Fault> {
        if !self.children.contains_key(&parent) {
            self.list_children(&[parent]).await?;
        }
        Ok(self.children.get(&parent).cloned().unwrap_or_default())
    }

    /// Looks up the children of tasks, and locks them.
    async fn list_children(&mut self, parents: &[TaskId]) -> Result<(), Fault> {
        let wanted = uuids(parents.iter().copied());
        let rows = self.query(Sql::ListLiveChildren, &[&wanted]).await?;
        let mut all = Vec::with_capacity(rows.len());
        for parent in parents {
            self.children.insert(*parent, Vec::new());
        }
        for row in &rows {
            let row = rows::Reading::new(row, "task_rows");
            let (parent, child) = (row.task_id(0)?, row.task_id(1)?);
            self.children.entry(parent).or_default().push(child);
            all.push(child);
        }
        // Those that were made in this transaction are not in the table yet.
        for id in &self.tasks.made {
            if let Some(link) = self.tasks.get(*id).and_then(|task| task.parent)
                && parents.contains(&link.task)
            {
                self.children.entry(link.task).or_default().push(*id);
            }
        }
        self.find_all(&all).await
    }

    /// The statements that save tasks.
    pub(crate) fn save_tasks(&self, calls: &mut Vec<Call>) -> Result<(), Fault> {
        let made: Vec<_> = self.tasks.of(&self.tasks.made).collect();
        if !made.is_empty() {
            calls.push(self.insert_children(&made)?);
        }
        let changed = self.tasks.of(&self.tasks.changed);
        let (ended, changed): (Vec<_>, Vec<_>) = changed.partition(|known| known.has_only_ended);
        if !ended.is_empty() {
            calls.push(self.end_tasks(&ended)?);
        }
        if !changed.is_empty() {
            calls.push(self.update_tasks(&changed)?);
        }
        Ok(())
    }

    /// Remembers where the tasks stand that are leased, and forgets those that have ended. Once the transaction is committed.
    pub(crate) fn remember_places(&self) {
        let made = self.tasks.of(&self.tasks.made).map(|known| &known.task);
        let changed = self.tasks.of(&self.tasks.changed).map(|known| &known.task);
        let (ended, live): (Vec<&Task>, Vec<&Task>) = made
            .chain(changed)
            .partition(|task| task.state.kind().is_terminal());
        self.shared.forget(ended.into_iter().map(|task| task.id));
        let places = live.into_iter().map(|task| (task.id, Place::from(task)));
        self.shared.remember(places);
    }

    pub(crate) fn lane_number(&self, task: &Task) -> Result<i32, Fault> {
        // Lanes are made before the transaction begins; a class is no part of their rows.
        self.shared.lanes.number(task).ok_or_else(|| Fault::Row {
            table: "lanes",
            row: task.id.to_string(),
            what: format!("there is no lane for `{}`", task.function),
        })
    }

    fn insert_children(&self, made: &[&Known]) -> Result<Call, Fault> {
        let columns = Columns::of(self, made)?;
        let tasks = || made.iter().map(|known| &known.task);
        let parent = |task: &Task| task.parent.map(|parent| *parent.task.as_uuid());
        let position = |task: &Task| task.parent.map(|parent| i64::from(parent.position.0));
        let execution = |task: &Task| task.parent.map(|_| *task.execution.as_uuid());
        let call = Call::new(Sql::InsertChildren)
            .with(columns.ids)
            .with(tasks().map(execution).collect::<Vec<_>>())
            .with(tasks().map(parent).collect::<Vec<_>>())
            .with(tasks().map(position).collect::<Vec<_>>());
        Ok(columns
            .state
            .add_to(call)
            .with(
                tasks()
                    .map(|task| task.timeout.map(micros))
                    .collect::<Vec<_>>(),
            )
            .with(columns.deadline_at)
            .with(columns.queued_at)
            .with(
                tasks()
                    .map(|task| task.created_at.as_micros())
                    .collect::<Vec<_>>(),
            )
            .with(
                made.iter()
                    .map(|known| known.input.as_ref().map(|input| input.as_str().to_owned()))
                    .collect::<Vec<_>>(),
            )
            .with(columns.outcomes))
    }

    /// Saves tasks that have only ended, now.
    fn end_tasks(&self, ended: &[&Known]) -> Result<Call, Fault> {
        let tasks = || ended.iter().map(|known| &known.task);
        let lanes: Result<Vec<i32>, Fault> = tasks().map(|task| self.lane_number(task)).collect();
        let states = tasks().map(|task| rows::code(task.state.kind().code()));
        let commits = tasks().map(|task| rows::column(task.commits));
        let outcomes = ended.iter().map(|known| known.outcome.clone());
        Ok(Call::new(Sql::SaveEnds)
            .with(uuids(tasks().map(|task| task.id)))
            .with(lanes?)
            .with(states.collect::<Vec<_>>())
            .with(commits.collect::<Vec<_>>())
            .with(outcomes.collect::<Vec<_>>())
            .with(self.now.as_micros()))
    }

    fn update_tasks(&self, changed: &[&Known]) -> Result<Call, Fault> {
        let columns = Columns::of(self, changed)?;
        let call = Call::new(Sql::SaveTasks).with(columns.ids);
        Ok(columns
            .state
            .add_to(call)
            .with(columns.deadline_at)
            .with(columns.queued_at)
            .with(columns.attempt_ends_at)
            .with(columns.outcomes))
    }
}

/// Tasks in columns, as their statements take them.
#[derive(Debug, Default)]
struct Columns {
    ids: Vec<Uuid>,
    state: StateColumns,
    deadline_at: Vec<Option<i64>>,
    queued_at: Vec<i64>,
    attempt_ends_at: Vec<Option<i64>>,
    outcomes: Vec<Option<String>>,
}

/// What both statements take one after the other, in this order.
#[derive(Debug, Default)]
struct StateColumns {
    lanes: Vec<i32>,
    states: Vec<i16>,
    due_at: Vec<Option<i64>>,
    lease_expires_at: Vec<Option<i64>>,
    holders: Vec<Option<String>>,
    ended_at: Vec<Option<i64>>,
    tokens: Vec<i64>,
    marks: Vec<i64>,
    commits: Vec<i32>,
    failed_attempts: Vec<i32>,
    crashes: Vec<i32>,
    crashes_as_suspect: Vec<i32>,
    cancel_requested: Vec<bool>,
    operations: Vec<i32>,
    deliveries: Vec<i64>,
}

impl StateColumns {
    fn add_to(self, call: Call) -> Call {
        call.with(self.lanes)
            .with(self.states)
            .with(self.due_at)
            .with(self.lease_expires_at)
            .with(self.holders)
            .with(self.ended_at)
            .with(self.tokens)
            .with(self.marks)
            .with(self.commits)
            .with(self.failed_attempts)
            .with(self.crashes)
            .with(self.crashes_as_suspect)
            .with(self.cancel_requested)
            .with(self.operations)
            .with(self.deliveries)
    }
}

impl Columns {
    fn of(session: &Session<'_>, tasks: &[&Known]) -> Result<Self, Fault> {
        let mut columns = Self::default();
        for known in tasks {
            columns.push(known, session.lane_number(&known.task)?);
        }
        Ok(columns)
    }

    fn push(&mut self, known: &Known, lane: i32) {
        let Known { task, outcome, .. } = known;
        let state = &task.state;
        let at = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
        self.ids.push(*task.id.as_uuid());
        self.state.lanes.push(lane);
        self.state.states.push(rows::code(state.kind().code()));
        self.state.due_at.push(at(state.due_at()));
        self.state
            .lease_expires_at
            .push(at(state.lease_expires_at()));
        self.state.holders.push(rows::holder(state));
        self.state.ended_at.push(at(state.ended_at()));
        self.state.tokens.push(task.fence.token.0);
        self.state.marks.push(task.fence.mark.0);
        self.state.commits.push(rows::column(task.commits));
        self.state
            .failed_attempts
            .push(rows::column(task.failed_attempts));
        self.state.crashes.push(rows::column(task.crashes.total));
        self.state
            .crashes_as_suspect
            .push(rows::column(task.crashes.as_suspect));
        self.state.cancel_requested.push(task.cancel_requested);
        self.state.operations.push(rows::column(task.operations));
        self.state.deliveries.push(task.deliveries.0.into());
        self.deadline_at.push(at(task.deadline));
        self.queued_at.push(task.queued_at.as_micros());
        self.attempt_ends_at.push(at(task.attempt_ends));
        self.outcomes.push(outcome.clone());
    }
}
