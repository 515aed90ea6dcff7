//! Declaring functions, limits, cancelling, and replaying dead letters.

use stent_core::{
    ExecutionId, FunctionName, Hint, TaskId, cancel, dead_letter,
    history::keep_for_replay,
    limit::{Limits, holds_from_now},
    store::{
        CancelAnswer, DeclareAnswer, DeclareRequest, FunctionDeclaration, LimitDifference,
        ReplayAnswer, SetLimitRequest,
    },
};

use crate::store::Transaction;

impl Transaction<'_> {
    /// Announces a worker with the functions that it has.
    pub(crate) fn declare(&mut self, request: DeclareRequest) -> DeclareAnswer {
        self.save_worker(request.worker);
        let functions = request.functions.iter();
        DeclareAnswer {
            differences: functions.filter_map(|one| self.declare_one(one)).collect(),
            epoch: self.epoch,
        }
    }

    fn declare_one(&mut self, declaration: &FunctionDeclaration) -> Option<LimitDifference> {
        let known = self.tables.functions.get(&declaration.name).copied();
        let (limits, difference) = declaration.replace(known);
        self.change_limits(&declaration.name, limits);
        difference
    }

    /// Sets or unsets an operator's limit.
    pub(crate) fn set_limit(&mut self, request: &SetLimitRequest) {
        let known = self.tables.functions.get(&request.function).copied();
        self.change_limits(&request.function, request.replace(known));
    }

    /// Keeps the limits of a function. If that makes it a limited one, some of its tasks hold a slot from now on.
    fn change_limits(&mut self, function: &FunctionName, limits: Limits) {
        let before = self.tables.functions.insert(function.clone(), limits);
        if let Some(limit) = limits.begun_since(&before.unwrap_or_default()) {
            let rows = self.tables.rows();
            let of_it = rows.filter(|row| row.task.function == *function);
            let holding = of_it.filter(|row| holds_from_now(row.task.state.kind(), limit));
            let holding: Vec<TaskId> = holding.map(|row| row.task.id).collect();
            for id in holding {
                self.take_slot(id);
            }
        }
        // A limit that was raised or unset may let waiting tasks start.
        self.hints.push(Hint::SlotFreed {
            function: function.clone(),
        });
    }

    fn take_slot(&mut self, id: TaskId) {
        if let Some(mut task) = self.tables.row(id).map(|row| row.task.clone()) {
            task.holds_slot = true;
            self.tables.save(task);
        }
    }

    /// Cancels executions with all below them.
    pub(crate) fn cancel(&mut self, executions: &[ExecutionId]) -> Vec<CancelAnswer> {
        let executions = executions.iter();
        executions.map(|one| self.cancel_one(*one)).collect()
    }

    fn cancel_one(&mut self, execution: ExecutionId) -> CancelAnswer {
        let Some(root) = self.tables.root(execution) else {
            return CancelAnswer::NoSuchExecution;
        };
        let state = root.task.state.kind();
        match cancel::request(root.task.clone(), self.now) {
            Ok(transition) => {
                self.apply(transition);
                CancelAnswer::Requested
            }
            Err(_ended) => CancelAnswer::Ended(state),
        }
    }

    /// Puts dead letters back into the queue.
    pub(crate) fn replay_dead_letters(&mut self, executions: &[ExecutionId]) -> Vec<ReplayAnswer> {
        let executions = executions.iter();
        executions.map(|one| self.replay_one(*one)).collect()
    }

    fn replay_one(&mut self, execution: ExecutionId) -> ReplayAnswer {
        let Some(root) = self.tables.root(execution) else {
            return ReplayAnswer::NoSuchExecution;
        };
        let state = root.task.state.kind();
        let heads: Vec<_> = root.entries.values().map(|one| one.head.clone()).collect();
        let kept = keep_for_replay(&heads);
        let Ok(transition) = dead_letter::replay(root.task.clone(), &kept, self.now) else {
            return ReplayAnswer::NotDeadLetter(state);
        };
        for entry in &kept.removed {
            self.remove_entry(execution.root(), entry);
        }
        if let Some(row) = self.tables.row_mut(execution.root()) {
            row.outcome = None;
        }
        self.apply(transition);
        ReplayAnswer::Replayed
    }
}
