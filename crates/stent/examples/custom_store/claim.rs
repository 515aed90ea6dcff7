//! Leasing due tasks, after looking after those whose lease or deadline passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use stent_core::{
    EntryHead, Epoch, FunctionName, Lane, State, Task, TaskId, Timestamp, cancel,
    claim::{LaneOffer, Picker},
    deadlock::{self, WaitView},
    defaults::SWEEP_BATCH,
    lease,
    store::{ClaimAnswer, ClaimRequest, ClaimedTask, StolenTask},
};

use crate::tables::Tables;

impl Tables {
    pub(crate) fn claim(&mut self, request: &ClaimRequest) -> ClaimAnswer {
        let stolen = self.take_over(request);
        self.end_overdue();
        self.break_deadlocks(request);
        let mut answer = ClaimAnswer {
            now: self.now,
            tasks: Vec::new(),
            stolen,
            next_due: None,
            next_sweep: self.next_sweep(request),
            // What a process forgets with its memory is never lost while it runs.
            epoch: Epoch::default(),
        };
        let demand = request.demand_in(answer.epoch);
        if demand.limit == 0 {
            return answer;
        }
        answer.next_due = self.next(|task| {
            let due_at = task.state.due_at();
            due_at.filter(|_| request.serves(&task.lane()))
        });
        let lanes: Vec<Lane> = self.due_lanes(request).into_iter().collect();
        let offers = lanes.iter().cloned().enumerate();
        let offers = offers.map(|(key, lane)| LaneOffer { key, lane });
        let free = lanes.iter().filter_map(|lane| {
            let slots = self.slots(&lane.function)?;
            Some((lane.function.clone(), slots.free()))
        });
        let free: BTreeMap<_, _> = free.collect();
        let mut picker = Picker::new(offers.collect(), free, demand);
        while let Some(ask) = picker.ask() {
            let before = answer.tasks.len();
            if let Some(lane) = lanes.get(ask.key) {
                self.claim_lane(lane, ask.at_most, request, &mut answer.tasks);
            }
            let found = answer.tasks.len().saturating_sub(before);
            picker.answer(u32::try_from(found).unwrap_or(u32::MAX));
        }
        answer
    }

    /// When the next lease runs out or the next deadline passes.
    fn next_sweep(&self, request: &ClaimRequest) -> Option<Timestamp> {
        let last = self.now.saturating_add(request.look_ahead);
        let lease = self.next(|task| task.state.lease_expires_at());
        let deadline = self.next(unattended_deadline);
        let next = [lease, deadline].into_iter().flatten().min();
        next.filter(|at| *at <= last)
    }

    fn take_over(&mut self, request: &ClaimRequest) -> Vec<StolenTask> {
        let mut stolen = Vec::new();
        let mut passed = self.passed(|task| task.state.lease_expires_at());
        passed.truncate(SWEEP_BATCH as usize);
        for id in passed {
            // What an earlier one's end led to may have changed this one, so it is loaded only now.
            let Some(task) = self.task(id) else { continue };
            let State::Running { holder: from, .. } = task.state.clone() else {
                continue;
            };
            if let Ok(transition) = lease::ran_out(task, request.crash_limit, self.now) {
                let crashes = transition.task.crashes.total;
                self.apply(transition);
                stolen.push(StolenTask {
                    task: id,
                    from,
                    crashes,
                });
            }
        }
        stolen
    }

    fn end_overdue(&mut self) {
        let mut passed = self.passed(unattended_deadline);
        passed.truncate(SWEEP_BATCH as usize);
        for id in passed {
            let ended = self
                .task(id)
                .map(|it| cancel::deadline_passed(it, self.now));
            if let Some(Ok(transition)) = ended {
                self.apply(transition);
            }
        }
    }

    /// Lanes that the worker serves and that have due work.
    fn due_lanes(&self, request: &ClaimRequest) -> BTreeSet<Lane> {
        let tasks = self.rows.values().map(|row| &row.task);
        let due = tasks.filter(|task| task.state.due_at().is_some_and(|at| at <= self.now));
        due.map(Task::lane)
            .filter(|lane| request.serves(lane))
            .collect()
    }

    fn claim_lane(
        &mut self,
        lane: &Lane,
        at_most: u32,
        request: &ClaimRequest,
        claimed: &mut Vec<ClaimedTask>,
    ) {
        let limited = self.limit(&lane.function).is_some();
        let due = self.passed(|task| task.state.due_at().filter(|_| task.lane() == *lane));
        let mut left = at_most;
        for id in due {
            let leased = self.task(id);
            let leased = leased.map(|it| lease::claim(it, &request.terms, limited, self.now));
            // One that is overdue is left to the next who looks after deadlines.
            let Some(Ok(transition)) = leased.filter(|_| left > 0) else {
                continue;
            };
            left -= 1;
            self.apply(transition);
            if let Some(row) = self.rows.get(&id) {
                claimed.push(ClaimedTask {
                    task: row.task.clone(),
                    input: row.input.clone(),
                    history: self.history(id),
                });
            }
        }
    }

    /// Now and then, looks for tasks that could only wait for each other's slots, and ends one of them.
    fn break_deadlocks(&mut self, request: &ClaimRequest) {
        if !deadlock::is_search_due(self.deadlocks_looked_for_at, self.now) {
            return;
        }
        let lanes = self.due_lanes(request).into_iter();
        let waiting = lanes.filter(|lane| !lane.class.holds_slot);
        let functions = waiting.map(|lane| lane.function);
        let is_full = |one: &FunctionName| self.slots(one).is_some_and(|it| it.free() == 0);
        let starved: BTreeSet<FunctionName> = functions.filter(is_full).collect();
        if starved.is_empty() {
            return;
        }
        let now = self.now;
        self.deadlocks_looked_for_at = Some(now);
        let Ok(found) = deadlock::find(&starved, now, &mut View(self));
        if let Some(Ok(transition)) = found.map(|found| deadlock::end_victim(found, now)) {
            self.apply(transition);
        }
    }
}

/// The deadline of a task that nobody runs; of a running one it is its holder's duty.
fn unattended_deadline(task: &Task) -> Option<Timestamp> {
    let is_running = task.state.lease_expires_at().is_some();
    let is_over = is_running || task.state.kind().is_terminal();
    task.deadline.filter(|_| !is_over)
}

/// What the search for deadlocks looks up.
struct View<'t>(&'t Tables);

impl WaitView for View<'_> {
    type Error = Infallible;

    fn task(&mut self, id: TaskId) -> Result<Option<Task>, Infallible> {
        Ok(self.0.task(id))
    }

    fn entries(&mut self, id: TaskId) -> Result<Vec<EntryHead>, Infallible> {
        Ok(self.0.heads(id))
    }

    fn holders_if_full(
        &mut self,
        function: &FunctionName,
    ) -> Result<Option<BTreeSet<TaskId>>, Infallible> {
        let slots = self.0.slots(function).filter(|slots| slots.free() == 0);
        Ok(slots.map(|_| self.0.holders(function).collect()))
    }
}
