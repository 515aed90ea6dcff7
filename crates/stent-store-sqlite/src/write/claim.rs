//! Leasing due tasks to a worker, after looking after those whose lease or deadline passed.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    Failure, FailureKind, FunctionName, HistoryEntry, Outcome, Payload, QueueName, State,
    Timestamp, cancel,
    claim::{LaneOffer, Picker},
    commit::{TaskCommit, Then},
    defaults,
    lease::{self, CrashLimit, LeaseTerms},
    store::{ClaimAnswer, ClaimRequest, ClaimedTask, StolenTask},
};

use super::{EPOCH, tasks::read};
use crate::{
    error::Fault,
    rows::{self, Stored},
    session::Session,
    statements::Sql,
};

/// An input, if it stands in its task's row and can be read.
type Inline = Result<Option<Payload>, Fault>;

/// What a worker serves.
pub(super) struct Served<'r> {
    functions: HashSet<&'r FunctionName>,
    queues: Option<HashSet<&'r QueueName>>,
}

impl<'r> Served<'r> {
    fn new(request: &'r ClaimRequest) -> Self {
        Self {
            functions: request.functions.iter().collect(),
            queues: request
                .queues
                .as_ref()
                .map(|queues| queues.iter().collect()),
        }
    }

    fn includes(&self, lane: &stent_core::Lane) -> bool {
        self.functions.contains(&lane.function)
            && self
                .queues
                .as_ref()
                .is_none_or(|queues| queues.contains(&lane.queue))
    }
}

/// Lanes that a worker serves and that hold waiting work.
#[derive(Default)]
pub(super) struct Waiting {
    /// Those with work that is due.
    pub(super) due: Vec<LaneOffer<i64>>,
    /// When the earliest work of the others becomes due.
    next_due: Option<Timestamp>,
}

impl Session<'_> {
    /// Leases due tasks to a worker.
    pub(crate) fn claim(&mut self, request: &ClaimRequest) -> Result<ClaimAnswer, Fault> {
        let now = self.now();
        let stolen = self.take_over(request.crash_limit, now)?;
        self.end_overdue(now)?;
        let served = Served::new(request);
        self.break_deadlocks(&served, now)?;
        let next_sweep = earliest(
            self.next_to_pass(Sql::NextLeaseEnd, now, request.look_ahead)?,
            self.next_to_pass(Sql::NextDeadline, now, request.look_ahead)?,
        );
        let demand = request.demand_in(EPOCH);
        if demand.limit == 0 {
            return Ok(ClaimAnswer {
                epoch: EPOCH,
                now,
                tasks: Vec::new(),
                stolen,
                next_due: None,
                next_sweep,
            });
        }
        let Waiting { due, mut next_due } = self.waiting(&served, now)?;
        for offer in &due {
            let later = self.next_due_after(offer.key, now)?;
            next_due = earliest(next_due, later);
        }
        let free = self.free_slots(&due)?;
        let mut picker = Picker::new(due, free, demand);
        let mut tasks = Vec::new();
        while let Some(ask) = picker.ask() {
            let found = self.claim_lane(ask.key, ask.at_most, &request.terms, now)?;
            picker.answer(u32::try_from(found.len()).unwrap_or(u32::MAX));
            tasks.extend(found);
        }
        Ok(ClaimAnswer {
            epoch: EPOCH,
            now,
            tasks,
            stolen,
            next_due,
            next_sweep,
        })
    }

    /// Takes tasks from holders whose lease ran out.
    fn take_over(
        &mut self,
        crash_limit: CrashLimit,
        now: Timestamp,
    ) -> Result<Vec<StolenTask>, Fault> {
        let parameters = params![now.as_micros(), defaults::SWEEP_BATCH];
        let expired = self.list(Sql::ListLeasesThatRanOut, parameters)?;
        let mut stolen = Vec::with_capacity(expired.len());
        for listed in expired {
            // What an earlier one's end led to may have changed this one.
            let Some(stored) = self.find(listed.task.id)? else {
                continue;
            };
            let State::Running { holder, .. } = &stored.task.state else {
                continue;
            };
            let from = holder.clone();
            if let Ok(transition) = lease::ran_out(stored.task.clone(), crash_limit, now) {
                stolen.push(StolenTask {
                    task: stored.task.id,
                    from,
                    crashes: transition.task.crashes.total,
                });
                self.apply(stored.seq, &stored.task, transition, now)?;
            }
        }
        Ok(stolen)
    }

    /// Ends tasks that nobody runs and whose deadline passed.
    fn end_overdue(&mut self, now: Timestamp) -> Result<(), Fault> {
        let parameters = params![now.as_micros(), defaults::SWEEP_BATCH];
        for listed in self.list(Sql::ListDeadlinesThatPassed, parameters)? {
            let Some(stored) = self.find(listed.task.id)? else {
                continue;
            };
            if let Ok(transition) = cancel::deadline_passed(stored.task.clone(), now) {
                self.apply(stored.seq, &stored.task, transition, now)?;
            }
        }
        Ok(())
    }

    /// Skips from lane to lane of those in which anything waits.
    pub(super) fn waiting(
        &mut self,
        served: &Served<'_>,
        now: Timestamp,
    ) -> Result<Waiting, Fault> {
        let mut waiting = Waiting::default();
        let statement = self.sql.get(Sql::NextDueLane)?;
        let mut last = i64::MIN;
        loop {
            let next = statement
                .query_row([last], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((key, due_at)) = next else {
                return Ok(waiting);
            };
            last = key;
            // A lane that is not known could not be read.
            let Ok(lane) = self.lanes.known(key) else {
                continue;
            };
            if !served.includes(lane) {
                continue;
            }
            let due_at = Timestamp::from_micros(due_at);
            if due_at <= now {
                waiting.due.push(LaneOffer {
                    key,
                    lane: lane.clone(),
                });
            } else {
                waiting.next_due = earliest(waiting.next_due, Some(due_at));
            }
        }
    }

    fn next_due_after(&mut self, lane: i64, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let statement = self.sql.get(Sql::NextDueAfter)?;
        let next = statement
            .query_row([lane, now.as_micros()], |row| row.get(0))
            .optional()?;
        Ok(next.map(Timestamp::from_micros))
    }

    /// The first instant after now that a statement finds, if it is not too far ahead.
    fn next_to_pass(
        &mut self,
        sql: Sql,
        now: Timestamp,
        look_ahead: Duration,
    ) -> Result<Option<Timestamp>, Fault> {
        let last = now.saturating_add(look_ahead);
        let statement = self.sql.get(sql)?;
        let next = statement
            .query_row([now.as_micros(), last.as_micros()], |row| row.get(0))
            .optional()?;
        Ok(next.map(Timestamp::from_micros))
    }

    fn free_slots(
        &mut self,
        offers: &[LaneOffer<i64>],
    ) -> Result<BTreeMap<FunctionName, u32>, Fault> {
        let functions: BTreeSet<&FunctionName> =
            offers.iter().map(|offer| &offer.lane.function).collect();
        let mut free = BTreeMap::new();
        for function in functions {
            if let Some(slots) = self.slots(function)? {
                free.insert(function.clone(), slots.free());
            }
        }
        Ok(free)
    }

    /// Leases the oldest due tasks of a lane.
    fn claim_lane(
        &mut self,
        lane: i64,
        at_most: u32,
        terms: &LeaseTerms,
        now: Timestamp,
    ) -> Result<Vec<ClaimedTask>, Fault> {
        let due = self.due_tasks(lane, at_most, terms, now)?;
        self.save_claims(due.iter().map(|(stored, _)| stored))?;
        let mut claimed = Vec::with_capacity(due.len());
        for (stored, input) in due {
            match self.with_data(&stored, input) {
                Ok((input, history)) => claimed.push(ClaimedTask {
                    task: stored.task,
                    input,
                    history,
                }),
                Err(error @ (Fault::Row { .. } | Fault::Value(_))) => {
                    self.condemn(&stored, &error, now)?
                }
                Err(error) => return Err(error),
            }
        }
        Ok(claimed)
    }

    /// The oldest due tasks of a lane as they are once they are leased, with the inputs that stand in their rows.
    fn due_tasks(
        &mut self,
        lane: i64,
        at_most: u32,
        terms: &LeaseTerms,
        now: Timestamp,
    ) -> Result<Vec<(Stored, Inline)>, Fault> {
        let limited = self.limit(&self.lanes.known(lane)?.function).is_some();
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let mut due = Vec::new();
        let lanes = &self.lanes;
        let statement = self.sql.get(Sql::ListDue)?;
        let mut rows = statement.query([lane, now.as_micros()])?;
        while due.len() < at_most
            && let Some(row) = rows.next()?
        {
            let stored = match read(row, lanes) {
                Ok(stored) => stored,
                Err(error @ (Fault::Row { .. } | Fault::Value(_))) => {
                    tracing::warn!(%error, "a due task cannot be read and is left alone");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Ok(transition) = lease::claim(stored.task, terms, limited, now) else {
                continue;
            };
            let (seq, task) = (stored.seq, transition.task);
            let input = rows::maybe_text(row, rows::TASK_COLUMNS, "tasks", seq);
            due.push((
                Stored { seq, task },
                input.map(|text| text.map(Payload::from_stored)),
            ));
        }
        Ok(due)
    }

    /// What the holder of a lease needs beside the task: its arguments and its history.
    fn with_data(
        &mut self,
        stored: &Stored,
        input: Inline,
    ) -> Result<(Payload, Vec<HistoryEntry>), Fault> {
        let input = match input? {
            Some(input) => input,
            None => self.large_input(stored.seq)?,
        };
        let history = if stored.task.operations == 0 {
            Vec::new()
        } else {
            self.history(stored.seq)?
        };
        Ok((input, history))
    }

    /// Ends a task, which was just leased, whose input or history cannot be read: nobody could run it, and it would be claimed for ever.
    fn condemn(&mut self, stored: &Stored, error: &Fault, now: Timestamp) -> Result<(), Fault> {
        let failure = Failure::new(
            FailureKind::UndecodableInput,
            format!("{error}; mend the row and replay the execution"),
        );
        let commit = TaskCommit {
            task: stored.task.id,
            fence: stored.task.fence,
            number: 1,
            epoch: EPOCH,
            assumes: Vec::new(),
            writes: Vec::new(),
            then: Then::End(Outcome::Failed(failure)),
        };
        self.commit_one(commit, now).map(drop)
    }

    fn large_input(&mut self, seq: i64) -> Result<Payload, Fault> {
        let statement = self.sql.get(Sql::ReadLargeInput)?;
        statement.query_row([seq], |row| {
            Ok(rows::text(row, 0, "inputs", seq).map(Payload::from_stored))
        })?
    }

    /// A task's whole history, with outcomes.
    fn history(&mut self, seq: i64) -> Result<Vec<HistoryEntry>, Fault> {
        let mut rows = self.sql.get(Sql::ReadHistory)?.query([seq])?;
        let mut history = Vec::new();
        while let Some(row) = rows.next()? {
            history.push(HistoryEntry {
                head: rows::entry(row, seq)?,
                outcome: rows::entry_outcome(row, seq)?,
            });
        }
        Ok(history)
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
