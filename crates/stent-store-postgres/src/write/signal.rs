//! Sending signals to executions.

use std::collections::BTreeSet;

use stent_core::{
    ExecutionId,
    signal::{NewSignal, SignalAnswer, accept},
    store::SignalRequest,
};

use super::{tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    session::Session,
    statements::Sql,
};

#[async_trait::async_trait]
impl Verb for SignalRequest {
    type Answer = Vec<SignalAnswer>;
    const NAME: &'static str = "signal";

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<SignalAnswer>, Fault> {
        let executions = self.signals.iter().map(|signal| signal.execution);
        session.lock_executions(executions.collect()).await?;
        let ids = self.signals.iter().map(|signal| signal.id);
        session.find_signals(ids).await?;
        let mailboxes = self
            .signals
            .iter()
            .map(|signal| (signal.execution, signal.name.clone()));
        session.open_mailboxes(mailboxes).await?;
        let mut answers = Vec::with_capacity(self.signals.len());
        for signal in &self.signals {
            answers.push(session.signal_one(signal).await?);
        }
        Ok(answers)
    }
}

impl Session<'_> {
    /// Begins the transaction and locks executions by their roots.
    pub(crate) async fn lock_executions(
        &mut self,
        executions: BTreeSet<ExecutionId>,
    ) -> Result<(), Fault> {
        let roots = executions.iter().map(|execution| execution.root());
        let calls = vec![Call::new(Sql::LockTasks).with(uuids(roots.clone()))];
        let (answers, now) = self.pipeline_with_now(Frame::Begin, calls).await?;
        self.now = now;
        for rows in answers {
            self.know_tasks(&rows).await?;
        }
        self.tasks.no_others(roots);
        self.locked.extend(executions);
        Ok(())
    }

    async fn signal_one(&mut self, signal: &NewSignal) -> Result<SignalAnswer, Fault> {
        if self.mailboxes.knows(signal.id) == Some(true) {
            return Ok(SignalAnswer::Known);
        }
        let root = self.find(signal.execution.root()).await?;
        let root = root.filter(stent_core::Task::is_root);
        let answer = accept(root.map(|root| root.state.kind()));
        if answer == SignalAnswer::Accepted {
            let mailbox = (signal.execution, signal.name.clone());
            let payload = signal.payload.clone();
            self.mailboxes.keep(signal.id, mailbox.clone(), payload);
            self.hand_over(mailbox).await?;
        }
        Ok(answer)
    }
}
