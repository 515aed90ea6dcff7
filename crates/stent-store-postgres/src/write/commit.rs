//! Applying fenced writes of holders.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stent_core::{
    CallPosition, EntryHead, ExecutionId, FunctionName, Operation, SignalId, SignalName, Task,
    TaskId, Transition, cancel,
    commit::{
        Applied, Change, CommitRefused, CommitView, HistoryWrite, Plan, TaskCommit, Then, plan,
    },
    limit::Slots,
    store::{CommitAnswer, CommitRequest, CommitResult, DeliveredOutcome},
};

use super::{functions::LockMode, histories::Wanted, mailboxes::Mailbox, tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    lanes::LaneNames,
    pipeline::{Call, Frame},
    rows::Reading,
    session::Session,
    shared::Place,
    statements::Sql,
};

/// A commit that was applied, and where the task's outcome was recorded in its parent's history.
type Done = (Applied, Option<DeliveredOutcome>);

#[async_trait::async_trait]
impl Verb for CommitRequest {
    type Answer = CommitAnswer;
    const NAME: &'static str = "commit";

    fn lanes(&self) -> Vec<LaneNames> {
        let writes = self.commits.iter().flat_map(|commit| &commit.writes);
        let children = writes.filter_map(|write| match write {
            HistoryWrite::Begin {
                child: Some(child), ..
            } => Some(&child.task),
            HistoryWrite::Begin { .. }
            | HistoryWrite::Record { .. }
            | HistoryWrite::Resolve { .. }
            | HistoryWrite::Abandon { .. } => None,
        });
        children
            .map(|task| (task.queue.clone(), task.function.clone(), task.priority))
            .collect()
    }

    async fn run(&self, session: &mut Session<'_>) -> Result<CommitAnswer, Fault> {
        session.prepare_commits(&self.commits).await?;
        let mut results = Vec::with_capacity(self.commits.len());
        for commit in &self.commits {
            let (result, delivered) = match session.commit_one(commit).await? {
                Ok((applied, delivered)) => (Ok(applied), delivered),
                Err(refused) => (Err(refused), None),
            };
            results.push(CommitResult {
                task: commit.task,
                number: commit.number,
                result,
                delivered,
            });
        }
        Ok(CommitAnswer {
            now: session.now,
            results,
        })
    }
}

impl Session<'_> {
    /// Begins the transaction, and locks and reads what commits surely touch.
    pub(crate) async fn prepare_commits(&mut self, commits: &[TaskCommit]) -> Result<(), Fault> {
        let places = self
            .places(commits.iter().map(|commit| commit.task))
            .await?;
        let needs = Needs::of(commits, &places);
        let frame = self.lock_functions(Frame::Begin, needs.functions).await?;
        let executions: BTreeSet<ExecutionId> =
            places.values().map(|place| place.execution).collect();
        let roots = uuids(executions.iter().map(|execution| execution.root()));
        let mut calls = vec![Call::new(Sql::LockTasks).with(roots)];
        let others: BTreeSet<TaskId> = needs
            .tasks
            .iter()
            .filter(|id| !executions.contains(&id.as_root()))
            .copied()
            .collect();
        let has_others = !others.is_empty();
        if has_others {
            calls.push(Call::new(Sql::LockTasks).with(uuids(others.iter().copied())));
        }
        needs.histories.calls(&mut calls);
        let (answers, now) = self.pipeline_with_now(frame, calls).await?;
        self.now = now;
        let mut answers = answers.into_iter();
        for rows in answers.by_ref().take(1 + usize::from(has_others)) {
            self.know_tasks(&rows).await?;
        }
        let roots = executions.iter().map(|execution| execution.root());
        self.tasks.no_others(roots.chain(others));
        self.locked.extend(executions);
        needs.histories.know(&mut self.histories, answers)?;
        self.open_mailboxes(needs.mailboxes).await
    }

    /// Where tasks stand; those that do not exist are left out.
    pub(crate) async fn places(
        &self,
        tasks: impl Iterator<Item = TaskId> + Clone,
    ) -> Result<HashMap<TaskId, Place>, Fault> {
        let mut places = self.shared.places(tasks.clone());
        let unknown: BTreeSet<TaskId> = tasks.filter(|id| !places.contains_key(id)).collect();
        if unknown.is_empty() {
            return Ok(places);
        }
        let wanted = uuids(unknown);
        for row in self.query(Sql::FindPlaces, &[&wanted]).await? {
            let row = Reading::new(&row, "task_rows");
            places.insert(row.task_id(0)?, place_of(&row)?);
        }
        Ok(places)
    }

    /// Applies one write, or says why not.
    pub(crate) async fn commit_one(
        &mut self,
        commit: &TaskCommit,
    ) -> Result<Result<Done, CommitRefused>, Fault> {
        let task = match self.find(commit.task).await {
            Ok(Some(task)) => task,
            // Nobody can hold what nobody can read; its neighbours go on.
            Ok(None) | Err(Fault::Row { .. }) => return Ok(Err(CommitRefused::LeaseLost)),
            Err(error) => return Err(error),
        };
        if task.operations == 0 {
            self.histories.know_empty(task.id);
        }
        let (now, epoch) = (self.now, self.connection.epoch());
        let planned = loop {
            match plan(task.clone(), commit.clone(), &mut View(self), now, epoch) {
                Ok(planned) => break planned,
                Err(missing) => self.look_up(missing).await?,
            }
        };
        let Plan {
            task,
            changes,
            effects,
            applied,
        } = match planned {
            Ok(plan) => plan,
            Err(refused) => return Ok(Err(refused)),
        };
        if applied.repeated {
            return Ok(Ok((applied, None)));
        }
        let mut given_back = Vec::new();
        for change in changes {
            self.change(task.id, task.execution, change, &mut given_back)
                .await?;
        }
        let delivered = self.apply(Transition { task, effects }).await?;
        for mailbox in given_back {
            self.hand_over(mailbox).await?;
        }
        Ok(Ok((applied, delivered)))
    }

    /// Keeps a change beside the task itself.
    async fn change(
        &mut self,
        task: TaskId,
        execution: ExecutionId,
        change: Change,
        given_back: &mut Vec<Mailbox>,
    ) -> Result<(), Fault> {
        match change {
            Change::AddEntry(entry) => {
                let position = entry.head.position;
                if let Operation::Signal { name, .. } = &entry.head.operation
                    && entry.head.is_waiting()
                {
                    let mailbox = (execution, name.clone());
                    self.mailboxes.begin_wait(mailbox, (task, position));
                }
                self.histories.add(task, entry);
            }
            Change::AddChild { task, input } => self.insert_child(&task, &input).await?,
            Change::Resolve {
                position,
                outcome,
                ordinal,
            } => {
                self.end_wait(task, position);
                let (kind, text) = (outcome.kind(), outcome.stored_text());
                self.histories.resolve(task, position, ordinal, kind, text);
            }
            Change::Abandon {
                position,
                give_back,
            } => {
                self.end_wait(task, position);
                self.histories.abandon(task, position);
                if let Some(signal) = give_back {
                    self.find_signals([signal]).await?;
                    given_back.extend(self.mailboxes.give_back(signal));
                }
            }
            Change::ReceiveSignal {
                signal,
                position,
                ordinal,
            } => self.receive(task, position, signal, ordinal).await?,
            Change::RemoveEntry(entry) => self.remove_entry(task, &entry).await?,
        }
        Ok(())
    }

    /// Takes an entry out of a task's history, and cancels the child that it had made.
    pub(crate) async fn remove_entry(
        &mut self,
        task: TaskId,
        entry: &EntryHead,
    ) -> Result<(), Fault> {
        self.end_wait(task, entry.position);
        self.histories.remove(task, entry.position);
        if let Some(child) = entry.child
            && let Some(child) = self.find(child).await?
            && let Ok(transition) = cancel::request(child, self.now)
        {
            self.apply(transition).await?;
        }
        Ok(())
    }

    async fn look_up(&mut self, missing: Missing) -> Result<(), Fault> {
        match missing {
            Missing::Entry(task, position) => self.entry(task, position).await.map(drop),
            Missing::Entries(task) => self.entries(task).await.map(drop),
            Missing::Task(task) => self.find(task).await.map(drop),
            Missing::Mailbox(mailbox) => self.open_mailboxes([mailbox]).await,
            // Functions that are called were locked before; of others only the limit counts.
            Missing::Function(function) => self.read_limit(function).await,
        }
    }
}

/// Where the task of a row stands: its execution, its caller, and the call's position, from the second column on.
pub(crate) fn place_of(row: &Reading<'_>) -> Result<Place, Fault> {
    let execution: Option<uuid::Uuid> = row.get(1)?;
    let parent: Option<uuid::Uuid> = row.get(2)?;
    let parent = match parent {
        Some(parent) => Some(stent_core::ParentLink {
            task: TaskId::from_uuid(parent),
            position: CallPosition(row.large_count(3)?),
        }),
        None => None,
    };
    Ok(Place {
        execution: match execution {
            Some(execution) => ExecutionId::from_uuid(execution),
            None => row.task_id(0)?.as_root(),
        },
        parent,
    })
}

/// What commits surely touch.
#[derive(Debug, Default)]
struct Needs {
    functions: BTreeMap<FunctionName, LockMode>,
    tasks: Vec<TaskId>,
    histories: Wanted,
    mailboxes: Vec<Mailbox>,
}

impl Needs {
    fn of(commits: &[TaskCommit], places: &HashMap<TaskId, Place>) -> Self {
        let mut needs = Self::default();
        for commit in commits {
            if let Some(place) = places.get(&commit.task) {
                needs.add(commit, place);
            }
        }
        needs
    }

    fn add(&mut self, commit: &TaskCommit, place: &Place) {
        let task = commit.task;
        self.tasks.push(task);
        for assumed in &commit.assumes {
            self.histories.entries.push((task, assumed.position));
        }
        for write in &commit.writes {
            match write {
                HistoryWrite::Begin {
                    position,
                    operation,
                    child,
                    ..
                } => {
                    self.histories.entries.push((task, *position));
                    if let Some(child) = child {
                        let function = child.task.function.clone();
                        self.functions.insert(function, LockMode::IfLimited);
                        self.tasks.push(child.task.id);
                    }
                    if let Operation::Signal { name, .. } = operation {
                        self.mailboxes.push((place.execution, name.clone()));
                    }
                }
                HistoryWrite::Record { position, .. }
                | HistoryWrite::Resolve { position, .. }
                | HistoryWrite::Abandon { position, .. } => {
                    self.histories.entries.push((task, *position));
                }
            }
        }
        match &commit.then {
            Then::Continue | Then::Release => {}
            Then::Suspend { .. } => self.histories.whole.push(task),
            Then::Fail { .. } => {
                self.histories.whole.push(task);
                self.add_parent(place);
            }
            Then::End(_) => self.add_parent(place),
        }
    }

    fn add_parent(&mut self, place: &Place) {
        if let Some(parent) = &place.parent {
            self.tasks.push(parent.task);
            self.histories.entries.push((parent.task, parent.position));
        }
    }
}

/// What the rule of a commit asked for and the session had not looked up.
enum Missing {
    Entry(TaskId, CallPosition),
    Entries(TaskId),
    Task(TaskId),
    Function(FunctionName),
    Mailbox(Mailbox),
}

/// What the rule of a commit looks up.
struct View<'v, 's>(&'v mut Session<'s>);

impl CommitView for View<'_, '_> {
    type Error = Missing;

    fn entry(
        &mut self,
        task: TaskId,
        position: CallPosition,
    ) -> Result<Option<EntryHead>, Missing> {
        match self.0.histories.get(task, position) {
            Some(entry) => Ok(entry.cloned()),
            None => Err(Missing::Entry(task, position)),
        }
    }

    fn entries(&mut self, task: TaskId) -> Result<Vec<EntryHead>, Missing> {
        self.0.histories.all(task).ok_or(Missing::Entries(task))
    }

    fn slots(&mut self, function: &FunctionName) -> Result<Option<Slots>, Missing> {
        match self.0.functions.get(function) {
            Some(known) => Ok(known.slots()),
            None => Err(Missing::Function(function.clone())),
        }
    }

    fn task(&mut self, task: TaskId) -> Result<Option<Task>, Missing> {
        if self.0.tasks.is_known(task) {
            Ok(self.0.tasks.get(task).cloned())
        } else {
            Err(Missing::Task(task))
        }
    }

    fn unreceived_signal(
        &mut self,
        execution: ExecutionId,
        name: &SignalName,
        skip: u32,
    ) -> Result<Option<SignalId>, Missing> {
        let mailbox = (execution, name.clone());
        self.0
            .mailboxes
            .unreceived(&mailbox, skip)
            .ok_or(Missing::Mailbox(mailbox))
    }
}
