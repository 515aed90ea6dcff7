//! Deleting executions that ended long ago, with all that belongs to them.

use std::time::Duration;

use stent_core::{
    ExecutionId, StateKind, retention,
    store::{CleanupAnswer, CleanupRequest},
};

use crate::store::Transaction;

impl Transaction<'_> {
    /// Deletes executions, if it is time.
    pub(crate) fn clean_up(&mut self, request: &CleanupRequest) -> CleanupAnswer {
        let scheduled = self.tables.next_cleanup;
        if let Some(next_at) = retention::too_early(request, scheduled, self.now) {
            return CleanupAnswer::NotDue { next_at };
        }
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let expired = self.expired(request.retention, limit);
        for execution in &expired {
            self.tables.delete(*execution);
        }
        let more = expired.len() >= limit;
        if let Some(next_at) = retention::next_cleanup(request, self.now, more) {
            self.tables.next_cleanup = Some(next_at);
        }
        CleanupAnswer::Deleted {
            executions: u32::try_from(expired.len()).unwrap_or(u32::MAX),
            more,
        }
    }

    /// The oldest executions that may go, and of which no task is leased.
    fn expired(&self, retention: Duration, limit: usize) -> Vec<ExecutionId> {
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
        let members = self.tables.index.members.get(&execution);
        let mut rows = members
            .into_iter()
            .flatten()
            .filter_map(|id| self.tables.row(*id));
        rows.any(|row| row.task.state.kind() == StateKind::Running)
    }
}
