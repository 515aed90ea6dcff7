//! A request that changes something: it runs in one transaction, anew if another transaction was in its way.

use crate::{fault::Fault, lanes::LaneNames, pipeline::Frame, session::Session};

/// A request that changes something.
#[async_trait::async_trait]
pub(crate) trait Verb: Send + Sync + 'static {
    /// What it is answered with.
    type Answer: Send + 'static;
    /// What it is called in errors.
    const NAME: &'static str;

    /// Lanes that must exist before the transaction begins.
    fn lanes(&self) -> Vec<LaneNames> {
        Vec::new()
    }

    /// Does it. What it changes in the session is saved afterwards, in the transaction that this began.
    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Answer, Fault>;
}

impl Session<'_> {
    /// Saves everything that was changed, and commits.
    pub(crate) async fn finish(&mut self) -> Result<(), Fault> {
        if self.is_finished {
            return Ok(());
        }
        let mut calls = Vec::new();
        self.save_tasks(&mut calls)?;
        self.histories.save(&mut calls);
        self.mailboxes.save(&mut calls);
        self.pipeline(Frame::Commit, &calls).await?;
        self.remember_places();
        Ok(())
    }
}
