//! Declaring functions, limits, cancelling, and replaying dead letters.

use std::collections::BTreeMap;

use stent_core::{
    ExecutionId, cancel, dead_letter,
    history::keep_for_replay,
    limit::WhileWaiting,
    store::{
        CancelAnswer, DeclareAnswer, DeclareRequest, FunctionDeclaration, LimitDifference,
        ReplayAnswer, SetLimitRequest,
    },
};

use super::{functions::LockMode, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows,
    session::Session,
    statements::Sql,
};

/// Executions to cancel.
#[derive(Debug)]
pub(crate) struct CancelRequest(pub(crate) Vec<ExecutionId>);

/// Dead letters to replay.
#[derive(Debug)]
pub(crate) struct ReplayRequest(pub(crate) Vec<ExecutionId>);

#[async_trait::async_trait]
impl Verb for DeclareRequest {
    type Answer = DeclareAnswer;
    const NAME: &'static str = "declare";

    async fn run(&self, session: &mut Session<'_>) -> Result<DeclareAnswer, Fault> {
        let names = self.functions.iter().map(|one| one.name.clone());
        let locked = names.map(|name| (name, LockMode::Alone)).collect();
        let frame = session.lock_functions(Frame::Begin, locked).await?;
        let (_, now) = session.pipeline_with_now(frame, Vec::new()).await?;
        session.now = now;
        let mut differences = Vec::new();
        // The last one of a name counts.
        let mut declared = BTreeMap::new();
        for declaration in &self.functions {
            differences.extend(session.declare_one(declaration).await?);
            declared.insert(&declaration.name, declaration.limit);
        }
        let names: Vec<&str> = declared.keys().map(|name| name.as_str()).collect();
        let limits: Vec<Option<i32>> = declared
            .values()
            .map(|limit| limit.map(|limit| rows::column(limit.max_concurrent.get())))
            .collect();
        let releases: Vec<bool> = declared
            .values()
            .map(|limit| limit.is_some_and(|one| one.while_waiting == WhileWaiting::Release))
            .collect();
        session
            .query(Sql::DeclareFunctions, &[&names, &limits, &releases])
            .await?;
        // As a renewal does, after the tasks: a program that starts anew may meet its own last renewal.
        // proven by races::a_worker_that_starts_anew_is_in_no_deadlock_with_its_last_renewal
        session.save_worker(&self.worker).await?;
        let epoch = session.connection.epoch();
        Ok(DeclareAnswer { differences, epoch })
    }
}

#[async_trait::async_trait]
impl Verb for SetLimitRequest {
    type Answer = ();
    const NAME: &'static str = "set_limit";

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Fault> {
        let function = self.function.clone();
        let locked = BTreeMap::from([(function, LockMode::Alone)]);
        session.lock_functions(Frame::Begin, locked).await?;
        let number = self.max_concurrent.map(|number| rows::column(number.get()));
        let calls = [Call::new(Sql::SetLimit)
            .with(self.function.as_str().to_owned())
            .with(number)];
        session.pipeline(Frame::Middle, &calls).await?;
        let known = session.stored_limits(&self.function);
        session
            .change_limits(&self.function, self.replace(known))
            .await
    }
}

#[async_trait::async_trait]
impl Verb for CancelRequest {
    type Answer = Vec<CancelAnswer>;
    const NAME: &'static str = "cancel";

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<CancelAnswer>, Fault> {
        session
            .lock_executions(self.0.iter().copied().collect())
            .await?;
        let mut answers = Vec::with_capacity(self.0.len());
        for execution in &self.0 {
            answers.push(session.cancel_one(*execution).await?);
        }
        Ok(answers)
    }
}

#[async_trait::async_trait]
impl Verb for ReplayRequest {
    type Answer = Vec<ReplayAnswer>;
    const NAME: &'static str = "replay_dead_letters";

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<ReplayAnswer>, Fault> {
        session
            .lock_executions(self.0.iter().copied().collect())
            .await?;
        let mut answers = Vec::with_capacity(self.0.len());
        for execution in &self.0 {
            answers.push(session.replay_one(*execution).await?);
        }
        Ok(answers)
    }
}

impl Session<'_> {
    async fn declare_one(
        &mut self,
        declaration: &FunctionDeclaration,
    ) -> Result<Option<LimitDifference>, Fault> {
        let known = self.stored_limits(&declaration.name);
        let (limits, difference) = declaration.replace(known);
        self.change_limits(&declaration.name, limits).await?;
        Ok(difference)
    }

    async fn cancel_one(&mut self, execution: ExecutionId) -> Result<CancelAnswer, Fault> {
        let root = self.find(execution.root()).await?;
        let Some(root) = root.filter(stent_core::Task::is_root) else {
            return Ok(CancelAnswer::NoSuchExecution);
        };
        let state = root.state.kind();
        match cancel::request(root, self.now) {
            Ok(transition) => {
                self.apply(transition).await?;
                Ok(CancelAnswer::Requested)
            }
            Err(_ended) => Ok(CancelAnswer::Ended(state)),
        }
    }

    async fn replay_one(&mut self, execution: ExecutionId) -> Result<ReplayAnswer, Fault> {
        let root = self.find(execution.root()).await?;
        let Some(root) = root.filter(stent_core::Task::is_root) else {
            return Ok(ReplayAnswer::NoSuchExecution);
        };
        let state = root.state.kind();
        let id = root.id;
        let kept = keep_for_replay(&self.entries(id).await?);
        let Ok(transition) = dead_letter::replay(root, &kept, self.now) else {
            return Ok(ReplayAnswer::NotDeadLetter(state));
        };
        for entry in &kept.removed {
            self.remove_entry(id, entry).await?;
        }
        self.apply(transition).await?;
        Ok(ReplayAnswer::Replayed)
    }
}
