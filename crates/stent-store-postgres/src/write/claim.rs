//! Leasing due tasks to a worker.
//!
//! First, without a lock, a look at what is due and what is full; then the functions that have due work and a free slot are locked, and the tasks are
//! picked through the index of due work. So a full function is looked at and neither locked nor scanned.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stent_core::{
    Epoch, Failure, FailureKind, FunctionName, HistoryEntry, Lane, Outcome, Payload, Priority,
    QueueName, Task, TaskId, Timestamp,
    claim::{Demand, LaneOffer, Picker},
    commit::{TaskCommit, Then},
    deadlock, lease,
    store::{ClaimAnswer, ClaimRequest, ClaimedTask},
};
use tokio_postgres::Row;

use super::{functions::LockMode, tasks::uuids, unsure::Unsure, verb::Verb};
use crate::{
    fault::Fault,
    pipeline::{Call, Frame},
    rows::{self, Reading},
    session::Session,
    shared::Place,
    statements::Sql,
};

/// One attempt at a claim.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) request: ClaimRequest,
    /// What was taken from others, once leases and deadlines that passed were looked after.
    pub(crate) swept: Option<Vec<TaskId>>,
    /// Whether tasks that only wait for each other were looked for.
    pub(crate) is_untangled: bool,
    /// What it is about to commit.
    pub(crate) unsure: Unsure,
}

/// What an attempt at a claim led to.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// It is done. What was leased and cannot be run is to be ended by these commits.
    Done(ClaimAnswer, Vec<TaskCommit>),
    /// Leases or deadlines that passed come first.
    Sweep,
    /// Functions have due work and no free slot: maybe their tasks wait for each other.
    Untangle(BTreeSet<FunctionName>),
}

/// A lane with due or later work.
struct Waiting {
    offer: LaneOffer<i32>,
    first_at: Timestamp,
    later_at: Option<Timestamp>,
}

/// What was found without a lock.
struct Look {
    now: Timestamp,
    is_passed: bool,
    /// When the next lease or deadline passes.
    next_sweep: Option<Timestamp>,
    waiting: Vec<Waiting>,
}

/// The tasks of a lane that were picked and locked, as they are once they are leased.
#[derive(Default)]
struct Picked {
    tasks: Vec<(Task, Payload)>,
    last: Option<(i64, i64)>,
    is_exhausted: bool,
}

#[async_trait::async_trait]
impl Verb for Claim {
    type Answer = Claimed;
    const NAME: &'static str = "claim";

    async fn run(&self, session: &mut Session<'_>) -> Result<Claimed, Fault> {
        let request = &self.request;
        self.unsure.clear();
        if session.shared.found_nothing() && self.swept.is_none() {
            let glance = session.glance(request).await?;
            if !glance.is_wanted {
                session.is_finished = true;
                return Ok(Claimed::Done(glance.answer, Vec::new()));
            }
        }
        let look = session.look(request).await?;
        session.now = look.now;
        if look.is_passed && self.swept.is_none() {
            return Ok(Claimed::Sweep);
        }
        let starved = session.starved(&look);
        if !starved.is_empty() && !self.is_untangled && session.may_look_for_deadlocks() {
            return Ok(Claimed::Untangle(starved));
        }
        let mut answer = ClaimAnswer {
            now: look.now,
            tasks: Vec::new(),
            stolen: Vec::new(),
            next_due: None,
            next_sweep: look.next_sweep,
            epoch: session.connection.epoch(),
        };
        let demand = request.demand_in(answer.epoch);
        if demand.limit == 0 {
            return Ok(Claimed::Done(answer, Vec::new()));
        }
        let instants = look.waiting.iter().flat_map(|waiting| {
            let first = Some(waiting.first_at).filter(|at| *at > look.now);
            [first, waiting.later_at]
        });
        answer.next_due = instants.flatten().min();
        let due = look
            .waiting
            .into_iter()
            .filter(|one| one.first_at <= look.now);
        let offers: Vec<_> = due
            .map(|one| one.offer)
            .filter(|offer| offer.lane.class.holds_slot || !starved.contains(&offer.lane.function))
            .collect();
        session.shared.set_found_nothing(offers.is_empty());
        if offers.is_empty() {
            return Ok(Claimed::Done(answer, Vec::new()));
        }
        let stolen = self.swept.as_deref().unwrap_or_default();
        let (picked, order) = session.pick(request, demand, offers, stolen).await?;
        let leased = session.in_turn(picked, &order);
        let ids = leased.iter().map(|(task, _)| task.id).collect();
        self.unsure.set(ids, answer.clone());
        let (tasks, unreadable) = session.lease(request, leased).await?;
        answer.tasks = tasks;
        Ok(Claimed::Done(answer, unreadable))
    }
}

/// What one statement told of all that a claim might find.
struct Glance {
    is_wanted: bool,
    /// What the claim answers if not.
    answer: ClaimAnswer,
}

/// What a look or a glance takes: functions, queues, the time if it is not the database's, and how far ahead it looks.
fn asked(request: &ClaimRequest, session: &Session<'_>, call: Call) -> Call {
    let functions: Vec<String> = request
        .functions
        .iter()
        .map(|name| name.as_str().to_owned())
        .collect();
    let queues = request.queues.as_ref().map(|queues| {
        let names = queues.iter().map(|name| name.as_str().to_owned());
        names.collect::<Vec<_>>()
    });
    let ahead = Timestamp::MIN
        .saturating_add(request.look_ahead)
        .as_micros();
    call.with(functions)
        .with(queues)
        .with(session.shared.injected_now())
        .with(ahead)
}

fn earliest_place() -> (i64, i64) {
    (i64::MIN, i64::MIN)
}

impl Session<'_> {
    /// Asks by one statement whether there is anything to claim or to look after.
    async fn glance(&self, request: &ClaimRequest) -> Result<Glance, Fault> {
        let call = asked(request, self, Call::new(Sql::Glance));
        let mut answers = self.pipeline(Frame::Alone, &[call]).await?.into_iter();
        let rows = answers.next().unwrap_or_default();
        let row = rows.first().ok_or_else(|| Fault::Row {
            table: "glance",
            row: "the only one".to_owned(),
            what: "the function gave none".to_owned(),
        })?;
        let row = Reading::new(row, "glance");
        let epoch = self.connection.epoch();
        let demand = request.demand_in(epoch);
        let next_due = row.maybe_time(2)?.filter(|_| demand.limit > 0);
        Ok(Glance {
            is_wanted: row.get(1)?,
            answer: ClaimAnswer {
                now: row.time(0)?,
                tasks: Vec::new(),
                stolen: Vec::new(),
                next_due,
                next_sweep: row.maybe_time(3)?,
                epoch,
            },
        })
    }

    /// Begins the transaction, and looks without a lock at what waits, and at the limits.
    async fn look(&mut self, request: &ClaimRequest) -> Result<Look, Fault> {
        let functions: Vec<String> = request
            .functions
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let calls = [
            asked(request, self, Call::new(Sql::DueLanes)),
            Call::new(Sql::ReadLimits).with(functions.clone()),
            Call::new(Sql::CountSlots).with(functions),
        ];
        let mut answers = self.pipeline(Frame::Begin, &calls).await?.into_iter();
        let rows = answers.next().unwrap_or_default();
        self.know_functions(request.functions.iter().cloned(), answers)?;
        let mut look = Look {
            now: Timestamp::MIN,
            is_passed: false,
            next_sweep: None,
            waiting: Vec::new(),
        };
        for row in &rows {
            let row = Reading::new(row, "lanes");
            look.now = row.time(0)?;
            let (leases, deadlines): (bool, bool) = (row.get(1)?, row.get(2)?);
            look.is_passed = leases || deadlines;
            look.next_sweep = row.maybe_time(3)?;
            let number: Option<i32> = row.get(4)?;
            if let Some(number) = number {
                look.waiting.push(self.waiting(&row, number)?);
            }
        }
        Ok(look)
    }

    fn waiting(&self, row: &Reading<'_>, number: i32) -> Result<Waiting, Fault> {
        let (queue, function): (&str, &str) = (row.get(5)?, row.get(6)?);
        let lane = Lane {
            queue: QueueName::new(queue).map_err(|error| row.bad(error))?,
            function: FunctionName::new(function).map_err(|error| row.bad(error))?,
            priority: Priority(row.get(7)?),
            class: rows::lane_class(number),
        };
        let names = (lane.queue.clone(), lane.function.clone(), lane.priority);
        self.shared.lanes.add(rows::lane_row(number), names);
        Ok(Waiting {
            offer: LaneOffer { key: number, lane },
            first_at: row.time(8)?,
            later_at: row.maybe_time(9)?,
        })
    }

    /// Functions that have due work which only waits for a slot.
    fn starved(&self, look: &Look) -> BTreeSet<FunctionName> {
        let due = look.waiting.iter().filter(|one| one.first_at <= look.now);
        due.map(|one| &one.offer.lane)
            .filter(|lane| !lane.class.holds_slot && self.free_slots(&lane.function) == Some(0))
            .map(|lane| lane.function.clone())
            .collect()
    }

    /// The free slots of a function, if it is limited.
    fn free_slots(&self, function: &FunctionName) -> Option<u32> {
        let slots = self.functions.get(function)?.slots()?;
        Some(slots.free())
    }

    fn may_look_for_deadlocks(&self) -> bool {
        deadlock::is_search_due(self.shared.deadlocks_looked_for_at(), self.now)
    }

    /// Locks the functions of lanes, then picks and locks the tasks. What was just taken from a holder is waited for: the holder may be at it in vain,
    /// and would else keep it from the thief. Answers them by lane, with the order in which lanes are served.
    async fn pick(
        &mut self,
        request: &ClaimRequest,
        demand: Demand,
        offers: Vec<LaneOffer<i32>>,
        stolen: &[TaskId],
    ) -> Result<(HashMap<i32, Picked>, Vec<(i32, u32)>), Fault> {
        let functions: BTreeMap<FunctionName, LockMode> = offers
            .iter()
            .map(|offer| (offer.lane.function.clone(), LockMode::IfLimited))
            .collect();
        self.lock_functions(Frame::Middle, functions.clone())
            .await?;
        if !stolen.is_empty() {
            let places = self.places(stolen.iter().copied()).await?;
            let executions: BTreeSet<_> = places.values().map(|place| place.execution).collect();
            let executions = executions.into_iter().collect();
            self.lock(Frame::Middle, executions, stolen.to_vec())
                .await?;
        }
        let free: BTreeMap<FunctionName, u32> = functions
            .into_keys()
            .filter_map(|function| {
                let free = self.free_slots(&function)?;
                Some((function, free))
            })
            .collect();
        let mut picked: HashMap<i32, Picked> = HashMap::new();
        loop {
            let picker = Picker::new(offers.clone(), free.clone(), demand);
            let (order, wanted) = divide(picker, &picked);
            if wanted.is_empty() {
                return Ok((picked, order));
            }
            self.pick_more(request, wanted, &mut picked).await?;
        }
    }

    /// Picks more tasks of some lanes.
    async fn pick_more(
        &self,
        request: &ClaimRequest,
        wanted: BTreeMap<i32, u32>,
        picked: &mut HashMap<i32, Picked>,
    ) -> Result<(), Fault> {
        let lanes: Vec<i32> = wanted.keys().copied().collect();
        let counts: Vec<i64> = wanted.values().map(|count| i64::from(*count)).collect();
        let (after_at, after_seq): (Vec<i64>, Vec<i64>) = lanes
            .iter()
            .map(|lane| picked.get(lane).and_then(|of| of.last))
            .map(|last| last.unwrap_or_else(earliest_place))
            .unzip();
        let rows = self
            .query(
                Sql::ClaimDue,
                &[
                    &lanes,
                    &counts,
                    &after_at,
                    &after_seq,
                    &self.now.as_micros(),
                ],
            )
            .await?;
        let mut found: HashMap<i32, u32> = HashMap::new();
        for row in &rows {
            let lane = rows::lane_of(row)?;
            let count = found.entry(lane).or_default();
            *count = count.saturating_add(1);
            let of = picked.entry(lane).or_default();
            let reading = Reading::new(row, "task_rows");
            of.last = Some((reading.get(6)?, reading.get(rows::SEQ_COLUMN)?));
            match self.leased(request, row) {
                Ok(task) => of.tasks.extend(task),
                Err(error @ Fault::Row { .. }) => {
                    tracing::warn!(%error, "a due task cannot be read and is left alone");
                }
                Err(error) => return Err(error),
            }
        }
        for (lane, count) in wanted {
            if found.get(&lane).is_none_or(|found| *found < count) {
                picked.entry(lane).or_default().is_exhausted = true;
            }
        }
        Ok(())
    }

    /// A task as it is once it is leased, with its arguments.
    fn leased(&self, request: &ClaimRequest, row: &Row) -> Result<Option<(Task, Payload)>, Fault> {
        let task = self.stored_one(row)?;
        let is_limited = self.free_slots(&task.function).is_some();
        let input: String = Reading::new(row, "task_rows").get(rows::TASK_COLUMNS)?;
        let claimed = lease::claim(task, &request.terms, is_limited, self.now);
        Ok(claimed
            .ok()
            .map(|transition| (transition.task, Payload::from_stored(input))))
    }

    /// The tasks that are leased, in the order in which lanes are served.
    fn in_turn(
        &self,
        mut picked: HashMap<i32, Picked>,
        order: &[(i32, u32)],
    ) -> Vec<(Task, Payload)> {
        let mut queues: HashMap<i32, std::vec::IntoIter<(Task, Payload)>> = picked
            .drain()
            .map(|(lane, picked)| (lane, picked.tasks.into_iter()))
            .collect();
        let mut leased = Vec::new();
        for (lane, count) in order {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            if let Some(tasks) = queues.get_mut(lane) {
                leased.extend(tasks.take(count));
            }
        }
        leased
    }

    /// Saves the leases and commits. Answers the tasks, and commits that end those that nobody could run.
    async fn lease(
        &mut self,
        request: &ClaimRequest,
        leased: Vec<(Task, Payload)>,
    ) -> Result<(Vec<ClaimedTask>, Vec<TaskCommit>), Fault> {
        if leased.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let lanes: Result<Vec<i32>, Fault> = leased
            .iter()
            .map(|(task, _)| self.lane_number(task))
            .collect();
        let expires_at = self.now.saturating_add(request.terms.duration.get());
        let mut calls = vec![
            Call::new(Sql::SaveClaims)
                .with(uuids(leased.iter().map(|(task, _)| task.id)))
                .with(lanes?)
                .with(expires_at.as_micros())
                .with(request.terms.holder.as_str().to_owned())
                .with(request.terms.mark.0),
        ];
        let with_history = leased.iter().filter(|(task, _)| task.operations > 0);
        let with_history: Vec<TaskId> = with_history.map(|(task, _)| task.id).collect();
        if !with_history.is_empty() {
            calls.push(Call::new(Sql::ReadHistories).with(uuids(with_history)));
        }
        let answers = self.pipeline(Frame::Commit, &calls).await?;
        self.is_finished = true;
        let places = leased.iter().map(|(task, _)| (task.id, Place::from(task)));
        self.shared.remember(places);
        let rows = answers.into_iter().nth(1).unwrap_or_default();
        Ok(with_histories(leased, rows, self.connection.epoch()))
    }
}

/// Leased tasks with the rows of their histories; and commits that end those whose history cannot be read.
pub(super) fn with_histories(
    leased: Vec<(Task, Payload)>,
    rows: Vec<Row>,
    epoch: Epoch,
) -> (Vec<ClaimedTask>, Vec<TaskCommit>) {
    let mut histories = histories(rows);
    let mut tasks = Vec::with_capacity(leased.len());
    let mut unreadable = Vec::new();
    for (task, input) in leased {
        match histories.remove(&task.id).unwrap_or(Ok(Vec::new())) {
            Ok(history) => tasks.push(ClaimedTask {
                task,
                input,
                history,
            }),
            Err(error) => unreadable.push(condemn(&task, epoch, &error)),
        }
    }
    (tasks, unreadable)
}

/// Divides a claim among lanes, given what was picked so far: how many of which lane in which order, and how many more are to be picked of some.
/// Lanes that are not exhausted are taken to have what they are asked for.
fn divide(
    mut picker: Picker<i32>,
    picked: &HashMap<i32, Picked>,
) -> (Vec<(i32, u32)>, BTreeMap<i32, u32>) {
    let mut order = Vec::new();
    let mut wanted: BTreeMap<i32, u32> = BTreeMap::new();
    let mut left: HashMap<i32, u32> = picked
        .iter()
        .map(|(lane, of)| (*lane, u32::try_from(of.tasks.len()).unwrap_or(u32::MAX)))
        .collect();
    while let Some(ask) = picker.ask() {
        let left = left.entry(ask.key).or_default();
        let is_exhausted = picked.get(&ask.key).is_some_and(|of| of.is_exhausted);
        let have = ask.at_most.min(*left);
        *left = left.saturating_sub(have);
        let found = if is_exhausted { have } else { ask.at_most };
        if found > have {
            let more = wanted.entry(ask.key).or_default();
            *more = more.saturating_add(found.saturating_sub(have));
        }
        order.push((ask.key, found));
        picker.answer(found);
    }
    (order, wanted)
}

type Read = Result<Vec<HistoryEntry>, Fault>;

/// Histories by task; of one that cannot be read, why.
fn histories(rows: Vec<Row>) -> HashMap<TaskId, Read> {
    let mut histories: HashMap<TaskId, Read> = HashMap::new();
    for row in &rows {
        let Ok(task) = Reading::new(row, "history").task_id(0) else {
            continue;
        };
        let history = histories.entry(task).or_insert_with(|| Ok(Vec::new()));
        let entry = rows::history_entry(row);
        match (history.as_mut(), entry) {
            (Ok(history), Ok((_, entry))) => history.push(entry),
            (Ok(_), Err(error)) => *history = Err(error),
            (Err(_), _) => {}
        }
    }
    histories
}

/// Ends a task, which was just leased, whose history cannot be read: nobody could run it, and it would be claimed for ever.
fn condemn(task: &Task, epoch: Epoch, error: &Fault) -> TaskCommit {
    let failure = Failure::new(
        FailureKind::UndecodableInput,
        format!("{error}; mend the row and replay the execution"),
    );
    TaskCommit {
        task: task.id,
        fence: task.fence,
        number: 1,
        epoch,
        assumes: Vec::new(),
        writes: Vec::new(),
        then: Then::End(Outcome::Failed(failure)),
    }
}
