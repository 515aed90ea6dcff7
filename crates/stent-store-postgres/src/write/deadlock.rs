//! Looking for tasks that could only wait for each other's slots.
//!
//! The search reads without locks; what it finds is stable, because nothing in a tangle can move. Its victim's execution is locked before the
//! search is done once more, so that what is ended is still part of one.

use std::collections::{BTreeSet, HashMap};

use stent_core::{
    EntryHead, FunctionName, State, Task, TaskId,
    deadlock::{self, WaitView},
};

use super::{tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::{self, Reading},
    session::Session,
    statements::Sql,
};

/// Ends one task of each tangle that holds functions back.
#[derive(Debug)]
pub(crate) struct Untangle {
    /// Functions that have due work and no free slot.
    pub(crate) starved: BTreeSet<FunctionName>,
}

#[async_trait::async_trait]
impl Verb for Untangle {
    type Answer = ();
    const NAME: &'static str = "claim";

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Fault> {
        let (_, now) = session.pipeline_with_now(Frame::Begin, Vec::new()).await?;
        session.now = now;
        session.shared.set_deadlocks_looked_for_at(now);
        let Some(found) = session.find_deadlock(&self.starved).await? else {
            return Ok(());
        };
        let victim = found.victim.id;
        let executions = vec![found.victim.execution];
        session
            .lock(Frame::Middle, executions, vec![victim])
            .await?;
        let again = session.find_deadlock(&self.starved).await?;
        if let Some(found) = again.filter(|again| again.victim.id == victim)
            && let Ok(transition) = deadlock::end_victim(found, now)
        {
            session.apply(transition).await?;
        }
        Ok(())
    }
}

/// What a search has read.
#[derive(Debug, Default)]
struct Seen {
    tasks: HashMap<TaskId, Option<Task>>,
    entries: HashMap<TaskId, Vec<EntryHead>>,
    holders: HashMap<FunctionName, Option<BTreeSet<TaskId>>>,
}

/// What a search asked for and had not read.
enum Missing {
    Task(TaskId),
    Entries(TaskId),
    Holders(FunctionName),
}

impl WaitView for Seen {
    type Error = Missing;

    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Missing> {
        self.tasks.get(&id).cloned().ok_or(Missing::Task(id))
    }

    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Missing> {
        self.entries.get(&id).cloned().ok_or(Missing::Entries(id))
    }

    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Missing> {
        let known = self.holders.get(function).cloned();
        known.ok_or_else(|| Missing::Holders(function.clone()))
    }
}

impl Seen {
    /// Tasks that were named and not read.
    fn unread(&self) -> BTreeSet<TaskId> {
        let holders = self.holders.values().flatten().flatten().copied();
        let entries = self.entries.values().flatten();
        let children = entries.filter_map(|entry| entry.child);
        let named = holders.chain(children);
        named.filter(|id| !self.tasks.contains_key(id)).collect()
    }
}

impl Session<'_> {
    async fn find_deadlock(
        &mut self,
        starved: &BTreeSet<FunctionName>,
    ) -> Result<Option<deadlock::Deadlock>, Fault> {
        let mut seen = Seen::default();
        loop {
            match deadlock::find(starved, self.now, &mut seen) {
                Ok(found) => return Ok(found),
                Err(Missing::Task(id)) => {
                    let mut ids = seen.unread();
                    ids.insert(id);
                    self.see_tasks(&mut seen, ids).await?;
                }
                Err(Missing::Entries(id)) => self.see_entries(&mut seen, vec![id]).await?,
                Err(Missing::Holders(function)) => self.see_holders(&mut seen, function).await?,
            }
        }
    }

    /// Reads tasks, and the histories of those that wait.
    async fn see_tasks(&self, seen: &mut Seen, ids: BTreeSet<TaskId>) -> Result<(), Fault> {
        let wanted = uuids(ids.iter().copied());
        let rows = self.query(Sql::FindTasks, &[&wanted]).await?;
        for id in ids {
            seen.tasks.insert(id, None);
        }
        let mut waiting = Vec::new();
        for task in self.stored(&rows).await? {
            if matches!(task.state, State::Suspended { .. }) {
                waiting.push(task.id);
            }
            seen.tasks.insert(task.id, Some(task));
        }
        self.see_entries(seen, waiting).await
    }

    async fn see_entries(&self, seen: &mut Seen, ids: Vec<TaskId>) -> Result<(), Fault> {
        if ids.is_empty() {
            return Ok(());
        }
        let wanted = uuids(ids.iter().copied());
        for id in ids {
            seen.entries.insert(id, Vec::new());
        }
        for row in self.query(Sql::ListEntries, &[&wanted]).await? {
            let (task, head) = rows::entry(&row)?;
            seen.entries.entry(task).or_default().push(head);
        }
        Ok(())
    }

    async fn see_holders(&mut self, seen: &mut Seen, function: FunctionName) -> Result<(), Fault> {
        self.read_limit(function.clone()).await?;
        let slots = self
            .functions
            .get(&function)
            .and_then(|known| known.slots());
        if slots.is_none_or(|slots| slots.free() > 0) {
            seen.holders.insert(function, None);
            return Ok(());
        }
        let calls = [Call::new(Sql::ListSlotHolders).with(function.as_str().to_owned())];
        let answers = self.pipeline(Frame::Middle, &calls).await?;
        let holders: Result<BTreeSet<TaskId>, Fault> = answers
            .iter()
            .flatten()
            .map(|row| Reading::new(row, "task_rows").task_id(0))
            .collect();
        seen.holders.insert(function, Some(holders?));
        Ok(())
    }
}
