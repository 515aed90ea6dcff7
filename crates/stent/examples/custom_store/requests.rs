//! The smaller requests: dispatch, renew, signal, limits, cancel, replay, cleanup.

use stent_core::{
    ExecutionId, FunctionName, NewExecution, StateKind, TaskId, cancel, dead_letter,
    history::keep_for_replay,
    lease,
    limit::{Limits, holds_from_now},
    retention::{self, Portion},
    signal::{NewSignal, SignalAnswer, accept},
    store::{
        CancelAnswer, CleanupAnswer, CleanupRequest, Dispatched, FunctionDeclaration,
        LimitDifference, RenewRequest, RenewResult, ReplayAnswer, WorkerRecord, WorkerReport,
    },
};

use crate::tables::{Row, Tables};

impl Tables {
    pub(crate) fn dispatch(&mut self, execution: NewExecution) -> Dispatched {
        let NewExecution {
            root,
            idempotency_key: key,
            tags,
        } = execution;
        let has_key = |row: &&Row| row.idempotency_key == key && row.task.function == root.function;
        let of_key = key.is_some().then(|| self.rows.values().find(has_key));
        if let Some(row) = of_key.flatten().or_else(|| self.rows.get(&root.id)) {
            return Dispatched::Existing {
                execution: row.task.execution,
                other_input: row.input != root.input,
            };
        }
        let (task, input) = root.into_root(self.now);
        let execution = task.execution;
        if let Some(row) = self.insert(task, input) {
            row.idempotency_key = key;
            row.tags = tags.into_iter().collect();
        }
        Dispatched::Created(execution)
    }

    pub(crate) fn heard_of(&mut self, report: WorkerReport) {
        let known = self.workers.get(&report.name);
        let record = WorkerRecord {
            since: known.map_or(self.now, |known| known.since),
            seen_at: self.now,
            report,
        };
        self.workers.insert(record.report.name.clone(), record);
    }

    pub(crate) fn renew(&mut self, request: &RenewRequest) -> Vec<RenewResult> {
        let renew_one = |tables: &mut Self, id: TaskId, fence| {
            let renewed = lease::renew(tables.task(id)?, fence, request.duration, tables.now);
            let transition = renewed.ok()?;
            let task = transition.task.clone();
            tables.apply(transition);
            Some(RenewResult::Renewed {
                expires_at: task.state.lease_expires_at()?,
                deliveries: task.deliveries,
                cancel_requested: task.cancel_requested,
            })
        };
        let leases = request.leases.iter();
        let renewed = leases.map(|(id, fence)| renew_one(self, *id, *fence));
        renewed
            .map(|one| one.unwrap_or(RenewResult::LeaseLost))
            .collect()
    }

    pub(crate) fn signal(&mut self, signal: NewSignal) -> SignalAnswer {
        if self.signals.iter().any(|(known, _)| known.id == signal.id) {
            return SignalAnswer::Known;
        }
        let root = self.root(signal.execution);
        let answer = accept(root.map(|root| root.task.state.kind()));
        if answer == SignalAnswer::Accepted {
            let (execution, name) = (signal.execution, signal.name.clone());
            self.signals.push((signal, false));
            self.hand_over_signals(execution, &name);
        }
        answer
    }

    pub(crate) fn declare(&mut self, declaration: &FunctionDeclaration) -> Option<LimitDifference> {
        let known = self.functions.get(&declaration.name).copied();
        let (limits, difference) = declaration.replace(known);
        self.change_limits(&declaration.name, limits);
        difference
    }

    pub(crate) fn change_limits(&mut self, function: &FunctionName, limits: Limits) {
        let before = self.functions.insert(function.clone(), limits);
        let Some(limit) = limits.begun_since(&before.unwrap_or_default()) else {
            return;
        };
        for task in self.rows.values_mut().map(|row| &mut row.task) {
            let holds = task.function == *function && holds_from_now(task.state.kind(), limit);
            task.holds_slot |= holds;
        }
    }

    pub(crate) fn cancel(&mut self, execution: ExecutionId) -> CancelAnswer {
        let Some(task) = self.root(execution).map(|root| root.task.clone()) else {
            return CancelAnswer::NoSuchExecution;
        };
        let state = task.state.kind();
        match cancel::request(task, self.now) {
            Ok(transition) => {
                self.apply(transition);
                CancelAnswer::Requested
            }
            Err(_ended) => CancelAnswer::Ended(state),
        }
    }

    pub(crate) fn replay_dead_letter(&mut self, execution: ExecutionId) -> ReplayAnswer {
        let Some(task) = self.root(execution).map(|root| root.task.clone()) else {
            return ReplayAnswer::NoSuchExecution;
        };
        let (id, state) = (task.id, task.state.kind());
        let kept = keep_for_replay(&self.heads(id));
        let Ok(transition) = dead_letter::replay(task, &kept, self.now) else {
            return ReplayAnswer::NotDeadLetter(state);
        };
        for entry in &kept.removed {
            self.remove_entry(id, entry);
        }
        if let Some(row) = self.rows.get_mut(&id) {
            row.outcome = None;
        }
        self.apply(transition);
        ReplayAnswer::Replayed
    }

    pub(crate) fn clean_up(&mut self, request: &CleanupRequest) -> CleanupAnswer {
        if let Some(next_at) = retention::too_early(request, self.next_cleanup, self.now) {
            return CleanupAnswer::NotDue { next_at };
        }
        self.workers.retain(|_, worker| worker.is_listed(self.now));
        let cutoff = retention::cutoff(self.now, request.retention);
        let mut expired = self.passed(|root| {
            let ended_at = root.state.ended_at();
            ended_at.filter(|_| cutoff.is_some_and(|it| retention::is_expired(root, it)))
        });
        expired.retain(|root| !self.is_leased(root.as_root()));
        let mut portion = Portion::new(request.limit);
        for root in expired {
            let execution = root.as_root();
            if !portion.take(self.rows_of(execution)) {
                break;
            }
            self.rows.retain(|_, row| row.task.execution != execution);
            self.signals.retain(|(one, _)| one.execution != execution);
        }
        self.waits.retain(|(task, _)| self.rows.contains_key(task));
        let (executions, more) = (portion.executions(), portion.more());
        if let Some(next_at) = retention::next_cleanup(request, self.now, more) {
            self.next_cleanup = Some(next_at);
        }
        CleanupAnswer::Deleted { executions, more }
    }

    fn rows_of(&self, execution: ExecutionId) -> usize {
        let tasks = self.rows.values().map(|row| &row.task);
        let members = tasks.filter(|one| one.execution == execution);
        members.map(|one| retention::rows_of(one.operations)).sum()
    }

    fn is_leased(&self, execution: ExecutionId) -> bool {
        let mut tasks = self.rows.values().map(|row| &row.task);
        tasks.any(|one| one.execution == execution && one.state.kind() == StateKind::Running)
    }
}
