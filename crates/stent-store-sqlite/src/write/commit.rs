//! Applying fenced writes of holders.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    CallPosition, EntryHead, ExecutionId, FunctionName, HistoryEntry, Ordinal, Outcome, SignalId,
    SignalName, Task, TaskId, Timestamp, Transition, cancel,
    commit::{Applied, Change, CommitRefused, CommitView, Plan, TaskCommit, plan},
    encoding::StoredOperation,
    limit::Slots,
    store::{CommitAnswer, CommitRequest, CommitResult, DeliveredOutcome},
};

use super::EPOCH;
use crate::{
    error::Fault,
    rows::{self, Stored},
    session::Session,
    statements::Sql,
};

/// A commit that was applied, and where the task's outcome was recorded in its parent's history.
type Done = (Applied, Option<DeliveredOutcome>);

impl Session<'_> {
    /// Applies fenced writes, each whole or not at all, in order.
    pub(crate) fn commit(&mut self, request: CommitRequest) -> Result<CommitAnswer, Fault> {
        let now = self.now();
        let mut results = Vec::with_capacity(request.commits.len());
        for commit in request.commits {
            let (task, number) = (commit.task, commit.number);
            let (result, delivered) = match self.commit_one(commit, now)? {
                Ok((applied, delivered)) => (Ok(applied), delivered),
                Err(refused) => (Err(refused), None),
            };
            results.push(CommitResult {
                task,
                number,
                result,
                delivered,
            });
        }
        Ok(CommitAnswer { now, results })
    }

    /// Applies one write, or says why not.
    pub(super) fn commit_one(
        &mut self,
        commit: TaskCommit,
        now: Timestamp,
    ) -> Result<Result<Done, CommitRefused>, Fault> {
        let Some(stored) = self.find(commit.task)? else {
            return Ok(Err(CommitRefused::LeaseLost));
        };
        let mut view = View {
            seq: stored.seq,
            session: self,
        };
        let Plan {
            task,
            changes,
            effects,
            applied,
        } = match plan(stored.task.clone(), commit, &mut view, now, EPOCH)? {
            Ok(plan) => plan,
            Err(refused) => return Ok(Err(refused)),
        };
        if applied.repeated {
            return Ok(Ok((applied, None)));
        }
        let mut given_back = Vec::new();
        for change in changes {
            self.change(&stored, change, &mut given_back, now)?;
        }
        let transition = Transition { task, effects };
        let delivered = self.apply(stored.seq, &stored.task, transition, now)?;
        for signal in given_back {
            self.hand_over_like(&signal, now)?;
        }
        Ok(Ok((applied, delivered)))
    }

    /// Saves a change beside the task itself.
    fn change(
        &mut self,
        stored: &Stored,
        change: Change,
        given_back: &mut Vec<SignalId>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let seq = stored.seq;
        match change {
            Change::AddEntry(entry) => self.add_entry(stored, &entry),
            Change::AddChild { task, input } => self.insert_child(&task, &input),
            Change::Resolve {
                position,
                outcome,
                ordinal,
            } => {
                self.delete_wait(seq, position)?;
                self.resolve(seq, position, ordinal, &outcome)
            }
            Change::Abandon {
                position,
                give_back,
            } => {
                self.delete_wait(seq, position)?;
                self.execute(Sql::AbandonEntry, params![seq, position.0])?;
                if let Some(signal) = give_back {
                    self.execute(Sql::GiveSignalBack, [&signal.as_bytes()[..]])?;
                    given_back.push(signal);
                }
                Ok(())
            }
            Change::ReceiveSignal {
                signal,
                position,
                ordinal,
            } => self.receive(seq, position, &signal, ordinal),
            Change::RemoveEntry(entry) => self.remove_entry(seq, &entry, now),
        }
    }

    fn add_entry(&mut self, stored: &Stored, entry: &HistoryEntry) -> Result<(), Fault> {
        let HistoryEntry { head, outcome } = entry;
        let operation = StoredOperation::from(&head.operation);
        self.execute(
            Sql::InsertEntry,
            params![
                stored.seq,
                head.position.0,
                head.key.as_ref().map(stent_core::CallKey::as_str),
                operation.kind.code(),
                operation.name,
                operation.number,
                head.after.0,
                head.child.as_ref().map(|child| &child.as_bytes()[..]),
                head.wake_at.map(Timestamp::as_micros),
                head.abandoned,
                head.signal.as_ref().map(|signal| &signal.as_bytes()[..]),
                head.resolved
                    .and_then(|resolved| resolved.ordinal)
                    .map(|ordinal| ordinal.0),
                outcome.as_ref().map(|outcome| outcome.kind().code()),
                outcome.as_ref().and_then(Outcome::stored_text),
            ],
        )?;
        if let stent_core::Operation::Signal { name, .. } = &head.operation
            && head.is_waiting()
        {
            let root = self.root_of(stored)?;
            self.execute(
                Sql::InsertSignalWait,
                params![root, name.as_str(), stored.seq, head.position.0],
            )?;
        }
        Ok(())
    }

    /// The row of the root above a task.
    pub(super) fn root_of(&mut self, stored: &Stored) -> Result<i64, Fault> {
        if stored.task.is_root() {
            return Ok(stored.seq);
        }
        self.root_row(stored.task.execution)
    }

    fn root_row(&mut self, execution: ExecutionId) -> Result<i64, Fault> {
        match self.find_root(execution.root())? {
            Some(root) => Ok(root.seq),
            None => Err(Fault::Row {
                table: "tasks",
                row: 0,
                what: format!("the root of the execution {execution} is gone"),
            }),
        }
    }

    fn resolve(
        &mut self,
        seq: i64,
        position: CallPosition,
        ordinal: Ordinal,
        outcome: &Outcome,
    ) -> Result<(), Fault> {
        self.execute(
            Sql::ResolveEntry,
            params![
                seq,
                position.0,
                ordinal.0,
                outcome.kind().code(),
                outcome.stored_text()
            ],
        )
        .map(drop)
    }

    pub(super) fn delete_wait(&mut self, seq: i64, position: CallPosition) -> Result<(), Fault> {
        self.execute(Sql::DeleteSignalWait, params![seq, position.0])
            .map(drop)
    }

    /// Gives a signal to an operation of a task.
    pub(super) fn receive(
        &mut self,
        seq: i64,
        position: CallPosition,
        signal: &SignalId,
        ordinal: Ordinal,
    ) -> Result<(), Fault> {
        let id = &signal.as_bytes()[..];
        self.delete_wait(seq, position)?;
        self.execute(Sql::ReceiveSignal, params![id, seq])?;
        self.execute(Sql::ReceiveInEntry, params![seq, position.0, id, ordinal.0])
            .map(drop)
    }

    /// Takes an entry out of a task's history, and cancels the child that it had made.
    pub(super) fn remove_entry(
        &mut self,
        seq: i64,
        entry: &EntryHead,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.delete_wait(seq, entry.position)?;
        self.execute(Sql::DeleteEntry, params![seq, entry.position.0])?;
        let Some(child) = entry.child else {
            return Ok(());
        };
        if let Some(child) = self.find(child)?
            && let Ok(transition) = cancel::request(child.task.clone(), now)
        {
            self.apply(child.seq, &child.task, transition, now)?;
        }
        Ok(())
    }

    /// A task's history without outcomes.
    pub(super) fn entries(&mut self, seq: i64) -> Result<Vec<EntryHead>, Fault> {
        let mut rows = self.sql.get(Sql::ListEntries)?.query([seq])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(rows::entry(row, seq)?);
        }
        Ok(entries)
    }
}

/// What the rule of a commit looks up, under the transaction's lock.
struct View<'v, 'c> {
    seq: i64,
    session: &'v mut Session<'c>,
}

impl CommitView for View<'_, '_> {
    type Error = Fault;

    fn entry(&mut self, _task: TaskId, position: CallPosition) -> Result<Option<EntryHead>, Fault> {
        let seq = self.seq;
        let statement = self.session.sql.get(Sql::FindEntry)?;
        statement
            .query_row(params![seq, position.0], |row| Ok(rows::entry(row, seq)))
            .optional()?
            .transpose()
    }

    fn entries(&mut self, _task: TaskId) -> Result<Vec<EntryHead>, Fault> {
        self.session.entries(self.seq)
    }

    fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Fault> {
        self.session.slots(function)
    }

    fn task(&mut self, task: TaskId) -> Result<Option<Task>, Fault> {
        Ok(self.session.find(task)?.map(|stored| stored.task))
    }

    fn unreceived_signal(
        &mut self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Result<Option<SignalId>, Fault> {
        let root = self.session.root_row(execution)?;
        self.session.oldest_signal(root, name.as_str(), skip)
    }
}
