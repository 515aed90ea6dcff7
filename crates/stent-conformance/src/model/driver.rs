//! Does operations to both stores and compares what they answer and show.

use std::{fmt::Debug, num::NonZeroU32, sync::Arc, time::Duration};

use stent_core::{
    CallKey, CallPosition, ClaimMark, Clock as _, Epoch, ExecutionId, NewTask,
    Operation as Durable, Ordinal, Priority, SignalId, Store, StoreError, Task, TaskId, When,
    claim::Demand,
    commit::{Assumed, ChildRequest, HistoryWrite, TaskCommit},
    lease::{CrashLimit, LeaseDuration, LeaseTerms},
    signal::NewSignal,
    store::{
        ClaimRequest, CleanupRequest, CommitRequest, DeclareRequest, DispatchRequest,
        FunctionDeclaration, HistoryRequest, RenewRequest, SetLimitRequest, SignalRequest,
    },
};
use stent_store_memory::MemoryStore;

use super::{
    invariants,
    operations::{
        Assumes, Claim, Commit, DeclaredLimit, Dispatch, Number, Operation, Signal, Which, Write,
    },
    requests::{
        declared, due, earlier, function_of, new_execution, new_place, new_then, on_the_spot,
        outcome, queue_of, signal_of,
    },
};
use crate::{
    Harness, ManualClock,
    requests::epoch,
    visible::Visible,
    world::{Held, answered, worker},
    writes::{numbered_bytes, payload, seconds, signal_name},
};

/// Both stores, and what is known of them.
pub(super) struct Driver {
    theirs: Arc<dyn Store>,
    specified: MemoryStore,
    epoch: Epoch,
    clock: Arc<ManualClock>,
    /// Kept until the end: dropping it takes the store's place away.
    _harness: Box<dyn Harness>,
    visible: Visible,
    executions: Vec<ExecutionId>,
    signals: Vec<NewSignal>,
    held: Vec<Held>,
    counter: u64,
}

/// One request, to both stores; the answers must be equal.
macro_rules! both {
    ($driver:ident.$method:ident($request:expr)) => {{
        let request = $request;
        let theirs = answer($driver.theirs.$method(request.clone()).await)?;
        let specified = answer($driver.specified.$method(request).await)?;
        same(&theirs, &specified)?;
        specified
    }};
}

fn answer<T>(answer: Result<T, StoreError>) -> Result<T, String> {
    answer.map_err(|error| format!("a store refused it: {error}"))
}

fn same<T: PartialEq + Debug>(theirs: &T, specified: &T) -> Result<(), String> {
    if theirs == specified {
        return Ok(());
    }
    Err(format!(
        "the answers differ.\n  this store: {theirs:?}\nmemory store: {specified:?}"
    ))
}

/// A key for what a body does at a position; not always another one.
fn key_at(position: CallPosition) -> Result<CallKey, String> {
    CallKey::new(format!("k{}", position.0 % 4)).map_err(|error| error.to_string())
}

fn pick<T>(from: &[T], which: Which) -> Option<&T> {
    from.get(usize::from(which).checked_rem(from.len())?)
}

impl Driver {
    pub(super) async fn open(harness: Box<dyn Harness>) -> Self {
        let clock = Arc::new(ManualClock::new());
        let theirs = harness.open(Arc::clone(&clock)).await;
        let epoch = answered("tell its epoch", epoch(&*theirs).await);
        let specified = MemoryStore::with_clock(Arc::<ManualClock>::clone(&clock)).in_epoch(epoch);
        Self {
            theirs,
            epoch,
            visible: Visible::of(&specified).await,
            specified,
            clock,
            _harness: harness,
            executions: Vec::new(),
            signals: Vec::new(),
            held: Vec::new(),
            counter: 0,
        }
    }

    /// Does one operation to both.
    ///
    /// # Errors
    /// With what differs, or breaks an invariant.
    pub(super) async fn perform(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Dispatch(batch) => self.dispatch(batch).await?,
            Operation::Claim(claim) => self.claim(claim).await?,
            Operation::Commit(batch) => self.commit(batch).await?,
            Operation::Renew { held, seconds } => self.renew(held, *seconds).await?,
            Operation::Signal(batch) => self.signal(batch).await?,
            Operation::Cancel(which) => {
                both!(self.cancel(self.some_executions(which)));
            }
            Operation::Replay(which) => {
                both!(self.replay_dead_letters(self.some_executions(which)));
            }
            Operation::SetLimit { function, limit } => {
                let request = SetLimitRequest {
                    function: function_of(*function),
                    max_concurrent: limit.and_then(|limit| NonZeroU32::new(limit.into())),
                };
                both!(self.set_limit(request));
            }
            Operation::Declare(functions) => self.declare(functions).await?,
            Operation::CleanUp {
                retention,
                limit,
                interval,
            } => {
                let request = CleanupRequest {
                    retention: seconds(*retention),
                    limit: *limit,
                    interval: interval.map(seconds),
                };
                both!(self.clean_up(request));
            }
            Operation::History { task, after, whole } => {
                self.history(*task, *after, *whole).await?;
            }
            Operation::Advance { seconds } => self.clock.advance(Duration::from_secs(*seconds)),
            Operation::Back { seconds } => {
                let now = self.clock.now();
                self.clock
                    .set(now.saturating_sub(Duration::from_secs(*seconds)));
            }
        }
        self.compare(operation).await
    }

    /// Compares everything that can be seen.
    async fn compare(&mut self, operation: &Operation) -> Result<(), String> {
        let specified = Visible::of(&self.specified).await;
        let theirs = Visible::of(&*self.theirs).await;
        if theirs != specified {
            return Err(format!(
                "what can be seen differs (- only in this store, + only in the memory store):\n{}",
                theirs.difference(&specified)
            ));
        }
        let before = std::mem::replace(&mut self.visible, specified);
        invariants::check(&before, &self.visible, operation)
    }

    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn next_task_id(&mut self) -> TaskId {
        TaskId::from_parts(ManualClock::START, &numbered_bytes(self.next_number()))
    }

    fn some_executions(&self, which: &[Which]) -> Vec<ExecutionId> {
        let known = which
            .iter()
            .filter_map(|which| pick(&self.executions, *which));
        known.copied().collect()
    }

    /// A task as it is now.
    fn task(&self, id: TaskId) -> Option<&Task> {
        let mut tasks = self.visible.tasks.iter().map(|seen| &seen.task);
        tasks.find(|task| task.id == id)
    }

    async fn dispatch(&mut self, batch: &[Dispatch]) -> Result<(), String> {
        let mut executions = Vec::new();
        for one in batch {
            let again = one.again.and_then(|which| pick(&self.executions, which));
            let id = again.map(|execution| execution.root());
            let id = id.unwrap_or_else(|| self.next_task_id());
            executions.push(new_execution(id, one));
        }
        let answer = both!(self.dispatch(DispatchRequest { executions }));
        for dispatched in answer.executions {
            let execution = dispatched.execution();
            if !self.executions.contains(&execution) {
                self.executions.push(execution);
            }
        }
        Ok(())
    }

    async fn claim(&mut self, claim: &Claim) -> Result<(), String> {
        let request = ClaimRequest {
            terms: self.terms(claim.seconds)?,
            functions: claim
                .functions
                .iter()
                .map(|one| function_of(*one))
                .collect(),
            queues: claim.queue.map(|one| vec![queue_of(one)]),
            demand: Demand {
                limit: claim.limit,
                rotation: claim.rotation,
                accept_suspect: claim.accept_suspect,
            },
            crash_limit: CrashLimit::new(claim.crash_limit).ok_or("a crash limit of 0")?,
            look_ahead: Duration::from_secs(claim.seconds),
            epoch: Some(self.epoch_of(claim.of_other_epoch)),
        };
        let theirs = answer(self.theirs.claim(request.clone()).await)?;
        let specified = answer(self.specified.claim(request).await)?;
        same(&theirs, &specified)?;
        for claimed in specified.tasks {
            self.hold(claimed.task);
        }
        Ok(())
    }

    fn terms(&mut self, seconds: u64) -> Result<LeaseTerms, String> {
        let mark = i64::try_from(self.next_number()).map_err(|error| error.to_string())?;
        Ok(LeaseTerms {
            holder: worker("w1").name,
            mark: ClaimMark(mark),
            duration: LeaseDuration::new(Duration::from_secs(seconds))
                .map_err(|error| error.to_string())?,
        })
    }

    const fn epoch_of(&self, is_other: bool) -> Epoch {
        Epoch(self.epoch.0.wrapping_add(is_other as u64))
    }

    /// Remembers a task with its fence. The newest claim comes first, so that small numbers choose live leases.
    fn hold(&mut self, task: Task) {
        self.held.insert(0, Held::new(task, self.epoch));
    }

    async fn commit(&mut self, batch: &[Commit]) -> Result<(), String> {
        let mut commits = Vec::new();
        let mut of_held = Vec::new();
        for one in batch {
            if self.held.is_empty() {
                return Ok(());
            }
            let index = usize::from(one.held) % self.held.len();
            commits.push(self.new_commit(index, one)?);
            of_held.push(index);
        }
        let answer = both!(self.commit(CommitRequest { commits }));
        let mut started = Vec::new();
        for (result, index) in answer.results.into_iter().zip(of_held) {
            if let Ok(applied) = result.result {
                if let Some(held) = self.held.get_mut(index) {
                    held.number = held.number.max(result.number);
                }
                started.extend(applied.started.into_iter().map(|child| *child.task));
            }
        }
        for child in started {
            self.hold(child);
        }
        Ok(())
    }

    fn new_commit(&mut self, index: usize, one: &Commit) -> Result<TaskCommit, String> {
        let held = self.held.get(index).cloned().ok_or("nothing is held")?;
        let number = match one.number {
            Number::Next | Number::Forged => held.number + 1,
            Number::Repeated => held.number,
            Number::Skipped => held.number + 2,
        };
        let mut fence = held.fence();
        if matches!(one.number, Number::Forged) {
            fence.mark.0 = -1;
        }
        let deliveries = self
            .task(held.id())
            .map_or(Ordinal::NONE, |task| task.deliveries);
        let seen = if one.ahead {
            deliveries.next()
        } else {
            deliveries
        };
        let mut position = self.last_position(held.id());
        let mut writes = Vec::new();
        for write in &one.writes {
            position = position.next();
            let key = one.keyed.then(|| key_at(position)).transpose()?;
            writes.push(self.new_write(write, position, key, seen)?);
        }
        let assumes = one.assumes.map(|assumes| self.assumed(held.id(), assumes));
        Ok(TaskCommit {
            task: held.id(),
            fence,
            number,
            epoch: self.epoch_of(one.of_other_epoch),
            assumes: assumes.into_iter().collect(),
            writes,
            then: new_then(one.then, seen, self.clock.now())?,
        })
    }

    /// What a body was given too early: of a child, what that was under its present fence.
    fn assumed(&self, caller: TaskId, assumes: Assumes) -> Assumed {
        let position = CallPosition(assumes.position.into());
        let called_there = |task: &&Task| {
            task.parent
                .is_some_and(|link| link.task == caller && link.position == position)
        };
        let mut tasks = self.visible.tasks.iter().map(|seen| &seen.task);
        let child = tasks.find(called_there).filter(|_| assumes.of_child);
        Assumed {
            position,
            ordinal: Ordinal(assumes.ordinal.into()),
            child: child.map(|child| child.fence),
        }
    }

    /// The last position that is taken; a later commit of the same batch may find it taken too, and begins further on.
    fn last_position(&mut self, task: TaskId) -> CallPosition {
        let mut tasks = self.visible.tasks.iter();
        let seen = tasks.find(|seen| seen.task.id == task);
        let last = seen.and_then(|seen| seen.history.last());
        let last = last.map_or(0, |entry| entry.head.position.0);
        let ahead = u32::try_from(self.next_number() % 2).unwrap_or(0) * 8;
        CallPosition(last.saturating_add(ahead))
    }

    fn new_write(
        &mut self,
        write: &Write,
        position: CallPosition,
        key: Option<CallKey>,
        deliveries: Ordinal,
    ) -> Result<HistoryWrite, String> {
        let of_step = key.clone();
        let begin = |operation, child| HistoryWrite::Begin {
            position,
            key,
            operation,
            after: deliveries,
            child,
        };
        Ok(match write {
            Write::Call {
                function,
                start,
                delay,
                timeout,
                deadline,
            } => {
                let task = self.new_child(*function, *delay, [*timeout, *deadline]);
                let operation = Durable::Child {
                    function: task.function.clone(),
                    input: task.input.digest(),
                };
                let start = if *start { Some(self.terms(30)?) } else { None };
                begin(operation, Some(ChildRequest { task, start }))
            }
            Write::Sleep { seconds } => {
                let span = Duration::from_secs(*seconds);
                begin(Durable::Sleep { span }, None)
            }
            Write::SleepUntil { seconds } => {
                let at = ManualClock::START.saturating_add(Duration::from_secs(*seconds));
                begin(Durable::SleepUntil { at }, None)
            }
            Write::Wait { name, timeout } => {
                let operation = Durable::Signal {
                    name: signal_name(signal_of(*name)),
                    timeout: timeout.map(seconds),
                };
                begin(operation, None)
            }
            Write::Step { completed, place } => HistoryWrite::Record {
                position,
                key: of_step,
                operation: Durable::Step {
                    name: stent_core::StepName::new("step").map_err(|error| error.to_string())?,
                },
                after: deliveries,
                outcome: outcome(*completed),
                place: new_place(*place, deliveries),
            },
            Write::Now => on_the_spot(position, Durable::Now, deliveries),
            Write::Random => on_the_spot(position, Durable::Random, deliveries),
            Write::Resolve {
                position: which,
                completed,
                place,
            } => HistoryWrite::Resolve {
                position: earlier(*which),
                outcome: outcome(*completed),
                place: new_place(*place, deliveries),
            },
            Write::Abandon {
                position: which,
                seen,
            } => HistoryWrite::Abandon {
                position: earlier(*which),
                seen: Ordinal(u32::from(*seen)),
            },
        })
    }

    fn new_child(&mut self, function: u8, delay: u64, bounds: [Option<u64>; 2]) -> NewTask {
        let [timeout, deadline] = bounds.map(|span| span.map(seconds));
        NewTask {
            id: self.next_task_id(),
            function: function_of(function),
            queue: queue_of(0),
            priority: Priority(0),
            due: due(delay),
            input: payload("[7]"),
            timeout,
            deadline: deadline.map(When::After),
        }
    }

    async fn renew(&mut self, which: &[Which], span: u64) -> Result<(), String> {
        let held = which.iter().filter_map(|which| pick(&self.held, *which));
        let request = RenewRequest {
            worker: worker("w2"),
            duration: LeaseDuration::new(seconds(span)).map_err(|error| error.to_string())?,
            leases: held.map(|held| (held.id(), held.fence())).collect(),
        };
        both!(self.renew(request));
        Ok(())
    }

    async fn signal(&mut self, batch: &[Signal]) -> Result<(), String> {
        let mut signals = Vec::new();
        for one in batch {
            let again = one
                .again
                .and_then(|which| pick(&self.signals, which))
                .cloned();
            let signal = match (again, pick(&self.executions, one.execution).copied()) {
                (Some(signal), _) => signal,
                (None, Some(execution)) => self.new_signal(execution, one.name),
                (None, None) => continue,
            };
            signals.push(signal);
        }
        self.signals.extend(signals.iter().cloned());
        both!(self.signal(SignalRequest { signals }));
        Ok(())
    }

    fn new_signal(&mut self, execution: ExecutionId, name: u8) -> NewSignal {
        let number = self.next_number();
        NewSignal {
            id: SignalId::from_parts(ManualClock::START, &numbered_bytes(number)),
            execution,
            name: signal_name(signal_of(name)),
            payload: payload(&number.to_string()),
        }
    }

    async fn declare(&mut self, functions: &[(u8, Option<DeclaredLimit>)]) -> Result<(), String> {
        let functions = functions.iter().map(|(name, limit)| FunctionDeclaration {
            name: function_of(*name),
            limit: limit.as_ref().and_then(declared),
        });
        let request = DeclareRequest {
            worker: worker("w1"),
            functions: functions.collect(),
        };
        both!(self.declare(request));
        Ok(())
    }

    async fn history(&mut self, which: Which, after: u32, whole: bool) -> Result<(), String> {
        let Some(seen) = pick(&self.visible.tasks, which) else {
            return Ok(());
        };
        let request = HistoryRequest {
            task: seen.task.id,
            after: Ordinal(after),
            whole,
        };
        both!(self.history(vec![request]));
        Ok(())
    }
}
