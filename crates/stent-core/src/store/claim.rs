use std::time::Duration;

use crate::{
    Epoch, FunctionName, HistoryEntry, Lane, Payload, QueueName, Task, TaskId, Timestamp,
    WorkerName,
    claim::Demand,
    lease::{CrashLimit, LeaseTerms},
};

/// What a worker could run.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// For whom, for how long, under which mark.
    pub terms: LeaseTerms,
    /// The functions that the worker has; tasks of others are left alone.
    pub functions: Vec<FunctionName>,
    /// The queues that it serves; `None` serves all.
    pub queues: Option<Vec<QueueName>>,
    /// How many tasks, and which.
    pub demand: Demand,
    /// After how many crashes as a suspect a task becomes a dead letter.
    pub crash_limit: CrashLimit,
    /// How far ahead [`ClaimAnswer::next_sweep`] looks: after that the worker claims again anyhow. What is bounded is cheap for a store: few of
    /// the leases that a database keeps traces of end so soon.
    pub look_ahead: Duration,
    /// The epoch in which the worker declared its functions, if it did. In another one the store may not know their limits: the claim takes no tasks.
    pub epoch: Option<Epoch>,
}

impl ClaimRequest {
    /// How many tasks may be taken, and which, in the store's epoch.
    #[must_use]
    pub fn demand_in(&self, epoch: Epoch) -> Demand {
        let is_known = self.epoch.is_none_or(|declared| declared == epoch);
        Demand {
            limit: if is_known { self.demand.limit } else { 0 },
            ..self.demand
        }
    }

    /// Whether the worker could run what waits in a lane.
    #[must_use]
    pub fn serves(&self, lane: &Lane) -> bool {
        let queues = self.queues.as_ref();
        queues.is_none_or(|queues| queues.contains(&lane.queue))
            && self.functions.contains(&lane.function)
    }
}

/// What a claim found.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimAnswer {
    /// The store's time.
    pub now: Timestamp,
    /// Tasks that are leased to the worker now, the most urgent first.
    pub tasks: Vec<ClaimedTask>,
    /// Tasks that were taken from a holder whose lease had run out. They are in the queue again, or ended.
    pub stolen: Vec<StolenTask>,
    /// When the next task becomes due that this worker serves, later than `now`: time alone brings it work then. `None` when none waits for its
    /// time, or when the claim was for no tasks.
    pub next_due: Option<Timestamp>,
    /// When the next lease runs out, or the next deadline of a task that nobody runs passes, later than `now`: a claim then has more to look
    /// after. All tasks count, whoever serves them, as they were before this claim leased any. `None` when there is neither within
    /// [`ClaimRequest::look_ahead`].
    ///
    /// What has passed already is in neither instant, whether or not this worker could do anything about it. So whoever looks again at these
    /// instants looks once for each, and does not spin over a lease that ran out and leads to nothing here.
    pub next_sweep: Option<Timestamp>,
    /// The store's epoch, which commits of these tasks name.
    pub epoch: Epoch,
}

/// A task with what is needed to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedTask {
    /// The task, with its fence.
    pub task: Task,
    /// Its arguments.
    pub input: Payload,
    /// Its history, by position.
    pub history: Vec<HistoryEntry>,
}

/// A task that was taken from its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StolenTask {
    /// The task.
    pub task: TaskId,
    /// Who held it.
    pub from: WorkerName,
    /// How often it has been lost with its worker.
    pub crashes: u32,
}
