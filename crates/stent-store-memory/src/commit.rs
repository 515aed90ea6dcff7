//! Applying fenced writes of holders.

use std::convert::Infallible;

use stent_core::{
    CallPosition, EntryHead, ExecutionId, FunctionName, HistoryEntry, Operation, SignalId,
    SignalName, Task, TaskId, Transition, cancel,
    commit::{Applied, Change, CommitRefused, CommitView, Plan, TaskCommit, plan},
    history::Resolved,
    limit::Slots,
    store::{CommitAnswer, CommitRequest, CommitResult, DeliveredOutcome},
};

use crate::{store::Transaction, tables::Tables};

/// A commit that was applied, and where the task's outcome was recorded in its parent's history.
type Done = (Applied, Option<DeliveredOutcome>);

impl Transaction<'_> {
    /// Applies fenced writes, each whole or not at all, in order.
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

    fn commit_one(&mut self, commit: TaskCommit) -> Result<Done, CommitRefused> {
        let row = self.tables.row(commit.task);
        let task = row.ok_or(CommitRefused::LeaseLost)?.task.clone();
        let Ok(plan) = plan(task, commit, &mut View(self.tables), self.now, self.epoch);
        let Plan {
            task,
            changes,
            effects,
            applied,
        } = plan?;
        if applied.repeated {
            return Ok((applied, None));
        }
        let mut given_back = Vec::new();
        for change in changes {
            self.change(task.id, task.execution, change, &mut given_back);
        }
        let delivered = self.apply(Transition { task, effects });
        for (execution, name) in given_back {
            self.hand_over_signals(execution, &name);
        }
        Ok((applied, delivered))
    }

    /// Saves a change beside the task itself.
    fn change(
        &mut self,
        task: TaskId,
        execution: ExecutionId,
        change: Change,
        given_back: &mut Vec<(ExecutionId, SignalName)>,
    ) {
        match change {
            Change::AddEntry(entry) => self.add_entry(task, execution, entry),
            Change::AddChild { task, input } => self.tables.insert(*task, input),
            Change::Resolve {
                position,
                outcome,
                ordinal,
            } => {
                self.tables.signals.end_wait((task, position));
                if let Some(entry) = self.entry(task, position) {
                    entry.head.resolved = Some(Resolved {
                        completed: outcome.is_completed(),
                        ordinal: Some(ordinal),
                    });
                    entry.outcome = Some(outcome);
                }
            }
            Change::Abandon {
                position,
                give_back,
            } => {
                self.tables.signals.end_wait((task, position));
                if let Some(entry) = self.entry(task, position) {
                    entry.head.abandoned = true;
                }
                let mailbox = give_back.and_then(|signal| self.tables.signals.give_back(signal));
                given_back.extend(mailbox);
            }
            Change::ReceiveSignal {
                signal,
                position,
                ordinal,
            } => self.receive(task, position, signal, ordinal),
            Change::RemoveEntry(entry) => self.remove_entry(task, &entry),
        }
    }

    fn entry(&mut self, task: TaskId, position: CallPosition) -> Option<&mut HistoryEntry> {
        let row = self.tables.row_mut(task)?;
        row.entries.get_mut(&position)
    }

    fn add_entry(&mut self, task: TaskId, execution: ExecutionId, entry: HistoryEntry) {
        let position = entry.head.position;
        if let Operation::Signal { name, .. } = &entry.head.operation
            && entry.head.is_waiting()
        {
            let (name, seq) = (name.clone(), self.tables.next_in_sequence());
            let wait = (task, position);
            self.tables.signals.begin_wait(seq, execution, name, wait);
        }
        if let Some(row) = self.tables.row_mut(task) {
            row.entries.insert(position, entry);
        }
    }

    /// Takes an entry out of a task's history, and cancels the child that it had made.
    pub(crate) fn remove_entry(&mut self, task: TaskId, entry: &EntryHead) {
        self.tables.signals.end_wait((task, entry.position));
        if let Some(row) = self.tables.row_mut(task) {
            row.entries.remove(&entry.position);
        }
        let child = entry.child.and_then(|child| self.tables.row(child));
        let task = child.map(|row| row.task.clone());
        if let Some(Ok(transition)) = task.map(|task| cancel::request(task, self.now)) {
            self.apply(transition);
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
        let row = self.0.row(task);
        let entry = row.and_then(|row| row.entries.get(&position));
        Ok(entry.map(|entry| entry.head.clone()))
    }

    fn entries(&mut self, task: TaskId) -> Result<Vec<EntryHead>, Infallible> {
        let row = self.0.row(task);
        let entries = row.into_iter().flat_map(|row| row.entries.values());
        Ok(entries.map(|entry| entry.head.clone()).collect())
    }

    fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Infallible> {
        Ok(self.0.slots(function))
    }

    fn task(&mut self, task: TaskId) -> Result<Option<Task>, Infallible> {
        Ok(self.0.row(task).map(|row| row.task.clone()))
    }

    fn unreceived_signal(
        &mut self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Result<Option<SignalId>, Infallible> {
        Ok(self.0.signals.unreceived(execution, name, skip))
    }
}
