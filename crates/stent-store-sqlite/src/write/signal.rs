//! Sending signals to executions.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    CallPosition, SignalId, TaskId, Timestamp, history,
    signal::{NewSignal, SignalAnswer, accept},
};
use uuid::Uuid;

use crate::{error::Fault, session::Session, statements::Sql};

/// An operation that waits for a signal.
struct Wait {
    /// The row of its task.
    seq: i64,
    task: TaskId,
    position: CallPosition,
}

impl Session<'_> {
    /// Sends signals, in order.
    pub(crate) fn signal(&mut self, signals: Vec<NewSignal>) -> Result<Vec<SignalAnswer>, Fault> {
        let now = self.now();
        signals
            .iter()
            .map(|signal| self.signal_one(signal, now))
            .collect()
    }

    fn signal_one(&mut self, signal: &NewSignal, now: Timestamp) -> Result<SignalAnswer, Fault> {
        let statement = self.sql.get(Sql::FindSignal)?;
        if statement.exists([&signal.id.as_bytes()[..]])? {
            return Ok(SignalAnswer::Known);
        }
        let root = self.find_root(signal.execution.root())?;
        let answer = accept(root.as_ref().map(|root| root.task.state.kind()));
        let Some(root) = root.filter(|_| answer == SignalAnswer::Accepted) else {
            return Ok(answer);
        };
        self.execute(
            Sql::InsertSignal,
            params![
                &signal.id.as_bytes()[..],
                root.seq,
                signal.name.as_str(),
                signal.payload.as_str()
            ],
        )?;
        self.hand_over(root.seq, signal.name.as_str(), now)?;
        Ok(SignalAnswer::Accepted)
    }

    /// Hands over signals of the execution and name of one of them, which was given back.
    pub(super) fn hand_over_like(
        &mut self,
        signal: &SignalId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let statement = self.sql.get(Sql::FindMailbox)?;
        let mailbox: Option<(i64, String)> = statement
            .query_row([&signal.as_bytes()[..]], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        match mailbox {
            Some((root, name)) => self.hand_over(root, &name, now),
            None => Ok(()),
        }
    }

    /// Gives signals that nobody has received to those who wait for their name, the oldest to the oldest.
    fn hand_over(&mut self, root: i64, name: &str, now: Timestamp) -> Result<(), Fault> {
        while let Some(wait) = self.oldest_wait(root, name)?
            && let Some(signal) = self.oldest_signal(root, name, 0)?
        {
            let stored = self.find(wait.task)?;
            let delivered = stored.map(|stored| {
                let transition = history::deliver(stored.task.clone(), now);
                (stored, transition)
            });
            let Some((stored, Ok(transition))) = delivered else {
                // A task that has ended waits for nothing: its waits left with its end.
                self.execute(Sql::DeleteSignalWaits, [wait.seq])?;
                continue;
            };
            let ordinal = transition.task.deliveries;
            self.receive(wait.seq, wait.position, &signal, ordinal)?;
            self.apply(stored.seq, &stored.task, transition, now)?;
        }
        Ok(())
    }

    /// The operation that has waited longest for a signal.
    fn oldest_wait(&mut self, root: i64, name: &str) -> Result<Option<Wait>, Fault> {
        let statement = self.sql.get(Sql::FindSignalWait)?;
        let wait = statement
            .query_row(params![root, name], |row| {
                Ok(Wait {
                    seq: row.get(0)?,
                    position: CallPosition(row.get(1)?),
                    task: TaskId::from_uuid(Uuid::from_bytes(row.get(2)?)),
                })
            })
            .optional()?;
        Ok(wait)
    }

    /// The oldest signal that nobody has received, some left out.
    pub(super) fn oldest_signal(
        &mut self,
        root: i64,
        name: &str,
        skip: u32,
    ) -> Result<Option<SignalId>, Fault> {
        let statement = self.sql.get(Sql::FindUnreceivedSignal)?;
        let id: Option<[u8; 16]> = statement
            .query_row(params![root, name, skip], |row| row.get(0))
            .optional()?;
        Ok(id.map(|id| SignalId::from_uuid(Uuid::from_bytes(id))))
    }
}
