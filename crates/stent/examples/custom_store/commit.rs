//! Applying fenced writes of holders: the rule decides, this saves what it decided.

use std::convert::Infallible;

use stent_core::{
    CallPosition, EntryHead, Epoch, ExecutionId, FunctionName, HistoryEntry, SignalId, SignalName,
    Task, TaskId, Transition,
    commit::{Applied, Change, CommitRefused, CommitView, Plan, TaskCommit, plan},
    limit::Slots,
    store::{CommitAnswer, CommitRequest, CommitResult, DeliveredOutcome},
};

use crate::{effects::resolved, tables::Tables};

impl Tables {
    pub(crate) fn commit(&mut self, request: CommitRequest) -> CommitAnswer {
        let commits = request.commits.into_iter();
        let results = commits.map(|commit| {
            let (task, number) = (commit.task, commit.number);
            let (result, delivered) = match self.commit_one(commit) {
                Ok((applied, delivered)) => (Ok(applied), delivered),
                Err(refused) => (Err(refused), None),
            };
            CommitResult {
                task,
                number,
                result,
                delivered,
            }
        });
        CommitAnswer {
            results: results.collect(),
            now: self.now,
        }
    }

    fn commit_one(
        &mut self,
        commit: TaskCommit,
    ) -> Result<(Applied, Option<DeliveredOutcome>), CommitRefused> {
        let task = self.task(commit.task).ok_or(CommitRefused::LeaseLost)?;
        let now = self.now;
        let Ok(plan) = plan(task, commit, &mut View(self), now, Epoch::default());
        let Plan {
            task,
            changes,
            effects,
            applied,
        } = plan?;
        if applied.repeated {
            return Ok((applied, None));
        }
        // First the changes, then the task, then its effects; last, who waits for a signal that was given back.
        let given_back = changes.into_iter().filter_map(|it| self.change(&task, it));
        let given_back: Vec<SignalName> = given_back.collect();
        let execution = task.execution;
        let delivered = self.apply(Transition { task, effects });
        for name in given_back {
            self.hand_over_signals(execution, &name);
        }
        Ok((applied, delivered))
    }

    /// Saves a change beside the task; the name of a signal that was given back by it.
    fn change(&mut self, task: &Task, change: Change) -> Option<SignalName> {
        match change {
            Change::AddEntry(entry) => self.add_entry(task.id, entry),
            Change::AddChild { task, input } => drop(self.insert(*task, input)),
            Change::Resolve {
                position,
                outcome,
                ordinal,
            } => {
                let entry = self.entry(task.id, position)?;
                entry.head.resolved = resolved(outcome.is_completed(), ordinal);
                entry.outcome = Some(outcome);
            }
            Change::Abandon {
                position,
                give_back,
            } => {
                self.entry(task.id, position)?.head.abandoned = true;
                let mut signals = self.signals.iter_mut();
                let given_back = signals.find(|(signal, _)| Some(signal.id) == give_back);
                let (signal, received) = given_back?;
                *received = false;
                return Some(signal.name.clone());
            }
            Change::ReceiveSignal {
                signal,
                position,
                ordinal,
            } => self.receive(task.id, position, signal, ordinal),
            Change::RemoveEntry(entry) => self.remove_entry(task.id, &entry),
        }
        None
    }

    fn add_entry(&mut self, task: TaskId, entry: HistoryEntry) {
        let wait = (task, entry.head.position);
        self.waits.retain(|other| *other != wait);
        self.waits.push(wait);
        if let Some(row) = self.rows.get_mut(&task) {
            row.entries.insert(entry.head.position, entry);
        }
    }

    /// Takes an entry out of a task's history, and cancels the child that it had made.
    pub(crate) fn remove_entry(&mut self, task: TaskId, entry: &EntryHead) {
        if let Some(row) = self.rows.get_mut(&task) {
            row.entries.remove(&entry.position);
        }
        if let Some(child) = entry.child {
            self.request_cancel(child);
        }
    }
}

/// What the rule of a commit looks up.
struct View<'t>(&'t Tables);

impl CommitView for View<'_> {
    type Error = Infallible;

    fn entry(
        &mut self,
        task: TaskId,
        position: CallPosition,
    ) -> Result<Option<EntryHead>, Infallible> {
        let row = self.0.rows.get(&task);
        let entry = row.and_then(|row| row.entries.get(&position));
        Ok(entry.map(|entry| entry.head.clone()))
    }

    fn entries(&mut self, task: TaskId) -> Result<Vec<EntryHead>, Infallible> {
        Ok(self.0.heads(task))
    }

    fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Infallible> {
        Ok(self.0.slots(function))
    }

    fn task(&mut self, task: TaskId) -> Result<Option<Task>, Infallible> {
        Ok(self.0.task(task))
    }

    fn unreceived_signal(
        &mut self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Result<Option<SignalId>, Infallible> {
        Ok(self.0.unreceived(execution, name, skip as usize))
    }
}
