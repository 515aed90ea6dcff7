//! Counting time from the machine's start, and moving the leases when the wall clock was set.

use stent_core::{
    Timestamp,
    boot::{Alignment, Boot, align},
};

use crate::{error::Fault, session::Session, statements::Sql};

/// What a session knows of the machine's start.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// The one that is recorded in the database.
    pub(crate) recorded: Option<Boot>,
    /// The one that time is counted from; `None` goes by the wall clock.
    pub(crate) counted_from: Option<Boot>,
    /// The recorded one, when it was last found to be this machine's.
    known: Option<Boot>,
}

impl Session<'_> {
    /// Within a transaction that has just begun: agrees with the other processes on the time.
    pub(crate) fn align(&mut self) -> Result<(), Fault> {
        let Some(seen) = self.clock.boot() else {
            return Ok(());
        };
        let recorded = self.starts.recorded.as_ref();
        let known = self.starts.known.as_ref().map(|boot| &*boot.id);
        match align(recorded, &seen, known) {
            Alignment::Same => {
                if self.starts.counted_from != self.starts.recorded {
                    self.starts.counted_from.clone_from(&self.starts.recorded);
                    self.starts.known.clone_from(&self.starts.recorded);
                }
            }
            Alignment::New => self.record(seen)?,
            Alignment::ClockSet { by } => {
                self.execute(Sql::MoveLeases, (by, Timestamp::MAX.as_micros()))?;
                let now = self.clock.now(Some(&seen)).as_micros();
                // What was due stays due. Set forward, more is due, as its time has come.
                self.execute(Sql::KeepDue, (by, now, now - by))?;
                tracing::info!(
                    by_seconds = by / 1_000_000,
                    "the machine's clock was set; leases run on for as long as they would have"
                );
                self.record(seen)?;
            }
            Alignment::StartedAnew => {
                self.record(seen)?;
                let ended = self.execute(Sql::EndLeases, [self.now().as_micros()])?;
                if ended > 0 {
                    tracing::info!(
                        leases = ended,
                        "the machine was started anew; what ran then is taken over"
                    );
                }
            }
            Alignment::TwoMachines => {
                if self.starts.counted_from.as_ref().map(|boot| &boot.id) != Some(&seen.id) {
                    tracing::warn!(
                        "two machines use this database at once; give each its own, or use Postgres"
                    );
                }
                self.starts.counted_from = Some(seen);
            }
        }
        Ok(())
    }

    /// Records a start, and counts from it. It is known once the transaction is committed and the next has read it.
    fn record(&mut self, boot: Boot) -> Result<(), Fault> {
        self.execute(Sql::SaveBoot, (&*boot.id, boot.at.as_micros()))?;
        self.forget_tasks();
        self.starts.recorded = Some(boot.clone());
        self.starts.counted_from = Some(boot);
        Ok(())
    }
}
