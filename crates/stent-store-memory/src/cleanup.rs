//! Deleting executions that ended long ago, with all that belongs to them.

use std::time::Duration;

use stent_core::{
    ExecutionId, StateKind, Task,
    retention::{self, Portion},
    store::{CleanupAnswer, CleanupRequest},
};

use crate::store::Transaction;

impl Transaction<'_> {
    /// Deletes executions, if it is time, and reports of workers that are listed no more.
    pub(crate) fn clean_up(&mut self, request: &CleanupRequest) -> CleanupAnswer {
        let scheduled = self.tables.next_cleanup;
        if let Some(next_at) = retention::too_early(request, scheduled, self.now) {
            return CleanupAnswer::NotDue { next_at };
        }
        let now = self.now;
        self.tables
            .workers
            .retain(|_, worker| worker.is_listed(now));
        let mut portion = Portion::new(request.limit);
        for execution in self.expired(request.retention, request.limit) {
            if !portion.take(self.rows(execution)) {
                break;
            }
            self.tables.delete(execution);
        }
        let more = portion.more();
        if let Some(next_at) = retention::next_cleanup(request, self.now, more) {
            self.tables.next_cleanup = Some(next_at);
        }
        CleanupAnswer::Deleted {
            executions: portion.executions(),
            more,
        }
    }

    /// The oldest executions that may go, and of which no task is leased.
    fn expired(&self, retention: Duration, limit: u32) -> Vec<ExecutionId> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let Some(cutoff) = retention::cutoff(self.now, retention) else {
            return Vec::new();
        };
        let ended = self.tables.index.ended.iter();
        let roots = ended.filter_map(|(.., id)| self.tables.row(*id));
        let expired = roots.take_while(|root| retention::is_expired(&root.task, cutoff));
        let executions = expired.map(|root| root.task.execution);
        executions
            .filter(|execution| !self.is_leased(*execution))
            .take(limit)
            .collect()
    }

    fn is_leased(&self, execution: ExecutionId) -> bool {
        let mut members = self.members(execution);
        members.any(|task| task.state.kind() == StateKind::Running)
    }

    fn rows(&self, execution: ExecutionId) -> usize {
        let rows = self.members(execution);
        rows.map(|task| retention::rows_of(task.operations)).sum()
    }

    fn members(&self, execution: ExecutionId) -> impl Iterator<Item = &Task> {
        let members = self.tables.index.members.get(&execution);
        let rows = members.into_iter().flatten();
        rows.filter_map(|id| Some(&self.tables.row(*id)?.task))
    }
}
