//! Leasing due tasks to a worker, after looking after those whose lease or deadline passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use stent_core::{
    FunctionName, Lane, State, TaskId, Timestamp, Transition, cancel,
    claim::{LaneOffer, Picker},
    defaults::SWEEP_BATCH,
    lease::{self, CrashLimit, LeaseTerms},
    store::{ClaimAnswer, ClaimRequest, ClaimedTask, StolenTask},
};

use crate::{index::Place, store::Transaction};

impl Transaction<'_> {
    /// Leases due tasks to a worker.
    pub(crate) fn claim(&mut self, request: &ClaimRequest) -> ClaimAnswer {
        let stolen = self.take_over(request.crash_limit);
        self.end_overdue();
        self.break_deadlocks(request);
        let mut answer = ClaimAnswer {
            now: self.now,
            tasks: Vec::new(),
            stolen,
            next_due: None,
            next_sweep: self.next_sweep(request),
            epoch: self.epoch,
        };
        let demand = request.demand_in(self.epoch);
        if demand.limit == 0 {
            return answer;
        }
        let served = self.served(request);
        let lanes: Vec<&Lane> = served.iter().filter(|lane| self.is_due(lane)).collect();
        let offers = lanes.iter().enumerate().map(|(key, lane)| LaneOffer {
            key,
            lane: (*lane).clone(),
        });
        let mut picker = Picker::new(offers.collect(), self.free_slots(&lanes), demand);
        while let Some(ask) = picker.ask() {
            let lane = lanes.get(ask.key);
            let found = lane.map(|lane| self.lease(lane, ask.at_most, &request.terms));
            let found = found.unwrap_or_default();
            picker.answer(u32::try_from(found.len()).unwrap_or(u32::MAX));
            answer.tasks.extend(found);
        }
        answer.next_due = served.iter().filter_map(|lane| self.next_due(lane)).min();
        answer
    }

    /// Takes tasks from holders whose lease ran out.
    fn take_over(&mut self, crash_limit: CrashLimit) -> Vec<StolenTask> {
        let mut stolen = Vec::new();
        for id in self.first_passed(&self.tables.index.leased) {
            // What an earlier one's end led to may have changed this one, so it is read only now.
            let Some(row) = self.tables.row(id) else {
                continue;
            };
            let State::Running { holder, .. } = &row.task.state else {
                continue;
            };
            let from = holder.clone();
            if let Ok(transition) = lease::ran_out(row.task.clone(), crash_limit, self.now) {
                stolen.push(StolenTask {
                    task: id,
                    from,
                    crashes: transition.task.crashes.total,
                });
                self.apply(transition);
            }
        }
        stolen
    }

    /// Ends tasks that nobody runs and whose deadline passed.
    fn end_overdue(&mut self) {
        for id in self.first_passed(&self.tables.index.deadlines) {
            let task = self.tables.row(id).map(|row| row.task.clone());
            if let Some(Ok(transition)) = task.map(|task| cancel::deadline_passed(task, self.now)) {
                self.apply(transition);
            }
        }
    }

    /// Those whose instant has passed, the first first, as many as one claim looks after.
    fn first_passed(&self, places: &BTreeSet<Place>) -> Vec<TaskId> {
        let passed = places.iter().take_while(|(at, ..)| *at <= self.now);
        let batch = usize::try_from(SWEEP_BATCH).unwrap_or(usize::MAX);
        passed.take(batch).map(|(.., id)| *id).collect()
    }

    /// The lanes that a worker serves and in which something waits for its time or for a worker.
    pub(crate) fn served(&self, request: &ClaimRequest) -> Vec<Lane> {
        let lanes = self.tables.index.due.keys();
        lanes.filter(|lane| request.serves(lane)).cloned().collect()
    }

    fn places(&self, lane: &Lane) -> impl Iterator<Item = &Place> {
        self.tables.index.due.get(lane).into_iter().flatten()
    }

    pub(crate) fn is_due(&self, lane: &Lane) -> bool {
        let mut places = self.places(lane);
        places.next().is_some_and(|(at, ..)| *at <= self.now)
    }

    /// When the next task of a lane becomes due that is not due yet.
    fn next_due(&self, lane: &Lane) -> Option<Timestamp> {
        self.first_later(self.tables.index.due.get(lane)?)
    }

    /// When the next lease runs out or the next deadline passes that has not yet.
    fn next_sweep(&self, request: &ClaimRequest) -> Option<Timestamp> {
        let last = self.now.saturating_add(request.look_ahead);
        let index = &self.tables.index;
        let instants = [&index.leased, &index.deadlines].map(|places| self.first_later(places));
        instants
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at <= last)
    }

    /// The first instant after now.
    fn first_later(&self, places: &BTreeSet<Place>) -> Option<Timestamp> {
        let nil = TaskId::from_uuid(Default::default());
        let now = (self.now, u64::MAX, nil);
        let mut later = places.range((Bound::Excluded(now), Bound::Unbounded));
        later.next().map(|(at, ..)| *at)
    }

    fn free_slots(&self, lanes: &[&Lane]) -> BTreeMap<FunctionName, u32> {
        let slots = lanes.iter().filter_map(|lane| {
            let slots = self.tables.slots(&lane.function)?;
            Some((lane.function.clone(), slots.free()))
        });
        slots.collect()
    }

    /// The oldest due tasks of a lane, as they are once they are leased.
    fn due_tasks(&self, lane: &Lane, at_most: u32, terms: &LeaseTerms) -> Vec<Transition> {
        let limited = self.tables.limit(&lane.function).is_some();
        let due = self
            .places(lane)
            .take_while(|(at, ..)| *at <= self.now)
            .filter_map(|(.., id)| self.tables.row(*id))
            .filter_map(|row| lease::claim(row.task.clone(), terms, limited, self.now).ok());
        due.take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .collect()
    }

    fn lease(&mut self, lane: &Lane, at_most: u32, terms: &LeaseTerms) -> Vec<ClaimedTask> {
        let mut claimed = Vec::new();
        for transition in self.due_tasks(lane, at_most, terms) {
            let id = transition.task.id;
            self.apply(transition);
            if let Some(row) = self.tables.row(id) {
                claimed.push(ClaimedTask {
                    task: row.task.clone(),
                    input: row.input.clone(),
                    history: self.tables.entries(row),
                });
            }
        }
        claimed
    }
}
