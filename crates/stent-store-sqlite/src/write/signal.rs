//! Sending signals to executions.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    CallPosition, SignalId, TaskId, Timestamp, history,
    signal::{NewSignal, SignalAnswer, accept},
};
use uuid::Uuid;

use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

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
        let root = self.find_root(signal.execution.root())?;
        let answer = accept(root.as_ref().map(|root| root.task.state.kind()));
        let Some(root) = root.filter(|_| answer == SignalAnswer::Accepted) else {
            return Ok(answer);
        };
        let kept = self.execute(
            Sql::InsertSignal,
            params![
                &signal.id.as_bytes()[..],
                root.seq,
                signal.name.as_str(),
                signal.payload.as_str()
            ],
        )?;
        if kept == 0 {
            return Ok(SignalAnswer::Known);
        }
        self.hand_over(root.seq, signal.name.as_str(), &signal.id, now)?;
        Ok(SignalAnswer::Accepted)
    }

    /// Gives a signal to the oldest wait for its name, if there is one.
    fn hand_over(
        &mut self,
        root: i64,
        name: &str,
        signal: &SignalId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let statement = self.sql.get(Sql::FindSignalWait)?;
        let wait: Option<(i64, u32, [u8; 16])> = statement
            .query_row(params![root, name], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((seq, position, task)) = wait else {
            return Ok(());
        };
        let Some(stored) = self.find(TaskId::from_uuid(Uuid::from_bytes(task)))? else {
            return Ok(());
        };
        // A task that has ended waits for nothing: its waits left with its end.
        if let Ok(transition) = history::deliver(stored.task.clone(), now) {
            let ordinal = transition.task.deliveries;
            self.receive(seq, CallPosition(position), signal, ordinal)?;
            for hint in self.save_delivery(&stored, transition)? {
                self.hint(|| hint);
            }
        }
        Ok(())
    }

    /// Puts a signal back among those not received, and gives it to the next who waits for it.
    pub(super) fn give_back(
        &mut self,
        stored: &Stored,
        signal: &SignalId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let _ = (stored, now);
        self.execute(Sql::GiveSignalBack, [&signal.as_bytes()[..]])?;
        Ok(())
    }
}
