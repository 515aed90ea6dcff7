//! Declaring functions, limits, cancelling, and replaying dead letters.

use rusqlite::params;
use stent_core::{
    ExecutionId, StateKind, Timestamp, cancel, dead_letter,
    history::keep_for_replay,
    limit::WhileWaiting,
    store::{
        CancelAnswer, DeclareAnswer, DeclareRequest, FunctionDeclaration, LimitDifference,
        ReplayAnswer, SetLimitRequest,
    },
};

use super::EPOCH;
use crate::{error::Fault, session::Session, statements::Sql};

impl Session<'_> {
    /// Announces a worker with the functions that it has.
    pub(crate) fn declare(&mut self, request: &DeclareRequest) -> Result<DeclareAnswer, Fault> {
        let now = self.now();
        self.save_worker(&request.worker, now)?;
        let mut differences = Vec::new();
        for declaration in &request.functions {
            differences.extend(self.declare_one(declaration)?);
        }
        Ok(DeclareAnswer {
            differences,
            epoch: EPOCH,
        })
    }

    fn declare_one(
        &mut self,
        declaration: &FunctionDeclaration,
    ) -> Result<Option<LimitDifference>, Fault> {
        let FunctionDeclaration { name, limit } = declaration;
        let releases = limit.is_some_and(|limit| limit.while_waiting == WhileWaiting::Release);
        self.execute(
            Sql::DeclareFunction,
            params![
                name.as_str(),
                limit.map(|limit| limit.max_concurrent.get()),
                releases
            ],
        )?;
        let (limits, difference) = declaration.replace(self.limits(name));
        self.change_limits(name, limits)?;
        Ok(difference)
    }

    /// Sets or unsets an operator's limit.
    pub(crate) fn set_limit(&mut self, request: &SetLimitRequest) -> Result<(), Fault> {
        let SetLimitRequest {
            function,
            max_concurrent,
        } = request;
        let number = max_concurrent.map(std::num::NonZero::get);
        self.execute(Sql::SetLimit, params![function.as_str(), number])?;
        self.change_limits(function, request.replace(self.limits(function)))
    }

    /// Cancels executions with all below them.
    pub(crate) fn cancel(
        &mut self,
        executions: &[ExecutionId],
    ) -> Result<Vec<CancelAnswer>, Fault> {
        let now = self.now();
        executions
            .iter()
            .map(|execution| self.cancel_one(*execution, now))
            .collect()
    }

    fn cancel_one(
        &mut self,
        execution: ExecutionId,
        now: Timestamp,
    ) -> Result<CancelAnswer, Fault> {
        let Some(root) = self.find_root(execution.root())? else {
            return Ok(CancelAnswer::NoSuchExecution);
        };
        match cancel::request(root.task.clone(), now) {
            Ok(transition) => {
                self.apply(root.seq, &root.task, transition, now)?;
                Ok(CancelAnswer::Requested)
            }
            Err(_ended) => Ok(CancelAnswer::Ended(root.task.state.kind())),
        }
    }

    /// Puts dead letters back into the queue.
    pub(crate) fn replay_dead_letters(
        &mut self,
        executions: &[ExecutionId],
    ) -> Result<Vec<ReplayAnswer>, Fault> {
        let now = self.now();
        executions
            .iter()
            .map(|execution| self.replay_one(*execution, now))
            .collect()
    }

    fn replay_one(
        &mut self,
        execution: ExecutionId,
        now: Timestamp,
    ) -> Result<ReplayAnswer, Fault> {
        let Some(root) = self.find_root(execution.root())? else {
            return Ok(ReplayAnswer::NoSuchExecution);
        };
        let state: StateKind = root.task.state.kind();
        let kept = keep_for_replay(&self.entries(root.seq)?);
        let Ok(transition) = dead_letter::replay(root.task.clone(), &kept, now) else {
            return Ok(ReplayAnswer::NotDeadLetter(state));
        };
        for entry in &kept.removed {
            self.remove_entry(root.seq, entry, now)?;
        }
        self.apply(root.seq, &root.task, transition, now)?;
        Ok(ReplayAnswer::Replayed)
    }
}
