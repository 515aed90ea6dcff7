//! Making executions.

use std::collections::{HashMap, HashSet};

use stent_core::{
    ExecutionId, FunctionName, Hint, IdempotencyKey, NewExecution, Payload, Task, TaskId,
    Timestamp, When,
    store::{DispatchAnswer, DispatchRequest, Dispatched},
    time::micros,
};
use uuid::Uuid;

use super::{tasks::uuids, verb::Verb};
use crate::{
    fault::Fault,
    lanes::LaneNames,
    pipeline::{Call, Frame},
    rows::Reading,
    session::Session,
    statements::Sql,
};

/// What exists under an id or a key: its execution and its arguments.
type Existing = (ExecutionId, String);

#[async_trait::async_trait]
impl Verb for DispatchRequest {
    type Answer = DispatchAnswer;
    const NAME: &'static str = "dispatch";

    fn lanes(&self) -> Vec<LaneNames> {
        let roots = self.executions.iter().map(|execution| &execution.root);
        roots
            .map(|root| (root.queue.clone(), root.function.clone(), root.priority))
            .collect()
    }

    async fn run(&self, session: &mut Session<'_>) -> Result<DispatchAnswer, Fault> {
        let is_bare = |one: &NewExecution| one.idempotency_key.is_none() && one.tags.is_empty();
        let executions = if self.executions.iter().all(is_bare) {
            session.dispatch_bare(&self.executions).await?
        } else {
            session.dispatch_labelled(&self.executions).await?
        };
        Ok(DispatchAnswer { executions })
    }
}

impl Session<'_> {
    /// Makes executions without keys and tags, by one statement. Where nothing depends on knowing the time before, that is one round trip.
    async fn dispatch_bare(
        &mut self,
        executions: &[NewExecution],
    ) -> Result<Vec<Dispatched>, Fault> {
        let at = |now: Timestamp| -> Vec<(Task, Payload)> {
            let roots = executions.iter().map(|one| one.root.clone());
            roots.map(|root| root.into_root(now)).collect()
        };
        let is_relative = self.shared.clock.is_none() && executions.iter().all(is_relative);
        let (frame, now) = if is_relative {
            (Frame::Whole, None)
        } else {
            let (_, now) = self.pipeline_with_now(Frame::Begin, Vec::new()).await?;
            (Frame::Commit, Some(now))
        };
        // Instants that are the rule's for the beginning of time are spans from the database's own present.
        let mut roots = at(now.unwrap_or(Timestamp::MIN));
        let call = self.insert_roots(&roots, now)?;
        let answers = self.pipeline(frame, &[call]).await?;
        self.is_finished = true;
        let rows: Vec<_> = answers.into_iter().flatten().collect();
        if let (None, Some(row)) = (now, rows.first()) {
            roots = at(Reading::new(row, "task_rows").time(1)?);
        }
        let mut made = ids(rows.into_iter())?;
        let (new, others): (Vec<&Task>, Vec<&Task>) = roots
            .iter()
            .map(|(task, _)| task)
            .partition(|task| made.contains(&task.id));
        for task in new {
            self.hint(Hint::due(task));
        }
        let others: Vec<TaskId> = others.into_iter().map(|task| task.id).collect();
        let mut existing = self.existing(Frame::Alone, &others).await?;
        let mut answers = Vec::with_capacity(roots.len());
        for (task, input) in &roots {
            // Of an id that was given twice the first made one.
            if made.remove(&task.id) {
                answers.push(Dispatched::Created(task.execution));
                let text = input.as_str().to_owned();
                existing.insert(task.id, (task.execution, text));
                continue;
            }
            let known = existing.get(&task.id).ok_or(Fault::Again)?;
            answers.push(answer(known, input));
        }
        Ok(answers)
    }

    /// Makes executions of which some have keys or tags. What another transaction makes meanwhile is found when this one is done anew.
    async fn dispatch_labelled(
        &mut self,
        executions: &[NewExecution],
    ) -> Result<Vec<Dispatched>, Fault> {
        let (_, now) = self.pipeline_with_now(Frame::Begin, Vec::new()).await?;
        let wanted: Vec<TaskId> = executions.iter().map(|one| one.root.id).collect();
        let mut by_id = self.existing(Frame::Middle, &wanted).await?;
        let mut by_key = self.existing_under_keys(executions).await?;
        let mut roots = Vec::new();
        let mut labels = Vec::new();
        let mut answers = Vec::with_capacity(executions.len());
        for execution in executions {
            let key = execution.idempotency_key.clone();
            let key = key.map(|key| (execution.root.function.clone(), key));
            let known = key.as_ref().and_then(|key| by_key.get(key));
            if let Some(known) = known.or_else(|| by_id.get(&execution.root.id)) {
                answers.push(answer(known, &execution.root.input));
                continue;
            }
            let (task, input) = execution.root.clone().into_root(now);
            let known = (task.execution, input.as_str().to_owned());
            by_id.insert(task.id, known.clone());
            if let Some(key) = key {
                by_key.insert(key, known);
            }
            answers.push(Dispatched::Created(task.execution));
            self.hint(Hint::due(&task));
            roots.push((task, input));
            labels.push(execution);
        }
        self.make(&roots, &labels, now).await?;
        Ok(answers)
    }

    async fn make(
        &self,
        roots: &[(Task, Payload)],
        labels: &[&NewExecution],
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut keys: (Vec<String>, Vec<String>, Vec<Uuid>) = Default::default();
        let mut tags: (Vec<Uuid>, Vec<String>) = Default::default();
        for execution in labels {
            let id = *execution.root.id.as_uuid();
            if let Some(key) = &execution.idempotency_key {
                keys.0.push(key.as_str().to_owned());
                keys.1.push(execution.root.function.as_str().to_owned());
                keys.2.push(id);
            }
            for tag in &execution.tags {
                tags.0.push(id);
                tags.1.push(tag.as_str().to_owned());
            }
        }
        let expected = [keys.0.len(), roots.len()];
        let calls = [
            Call::new(Sql::InsertKeys)
                .with(keys.0)
                .with(keys.1)
                .with(keys.2),
            self.insert_roots(roots, Some(now))?,
            Call::new(Sql::InsertTags).with(tags.0).with(tags.1),
        ];
        let answers = self.pipeline(Frame::Middle, &calls).await?;
        let made = answers.iter().map(Vec::len);
        if made.zip(expected).any(|(made, expected)| made != expected) {
            return Err(Fault::Again);
        }
        Ok(())
    }

    fn insert_roots(
        &self,
        roots: &[(Task, Payload)],
        now: Option<Timestamp>,
    ) -> Result<Call, Fault> {
        let tasks = || roots.iter().map(|(task, _)| task);
        let lanes: Result<Vec<i32>, Fault> = tasks().map(|task| self.lane_number(task)).collect();
        let deadline = |task: &Task| task.deadline.map(Timestamp::as_micros);
        let inputs = roots.iter().map(|(_, input)| input.as_str().to_owned());
        Ok(Call::new(Sql::InsertRoots)
            .with(uuids(tasks().map(|task| task.id)))
            .with(lanes?)
            .with(
                tasks()
                    .map(|task| task.queued_at.as_micros())
                    .collect::<Vec<_>>(),
            )
            .with(
                tasks()
                    .map(|task| task.timeout.map(micros))
                    .collect::<Vec<_>>(),
            )
            .with(tasks().map(deadline).collect::<Vec<_>>())
            .with(inputs.collect::<Vec<_>>())
            .with(now.map(Timestamp::as_micros))
            .with(Timestamp::MAX.as_micros()))
    }

    /// The arguments of tasks.
    pub(crate) async fn inputs(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, Payload>, Fault> {
        let existing = self.existing(Frame::Middle, ids).await?;
        let inputs = existing.into_iter();
        Ok(inputs
            .map(|(id, (_, input))| (id, Payload::from_stored(input)))
            .collect())
    }

    /// What exists under ids.
    async fn existing(
        &self,
        frame: Frame,
        ids: &[TaskId],
    ) -> Result<HashMap<TaskId, Existing>, Fault> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let calls = [Call::new(Sql::ReadInputs).with(uuids(ids.iter().copied()))];
        let answers = self.pipeline(frame, &calls).await?;
        let mut existing = HashMap::new();
        for row in answers.iter().flatten() {
            let row = Reading::new(row, "task_rows");
            let id = row.task_id(0)?;
            let execution: Option<Uuid> = row.get(1)?;
            let execution = execution.map_or(id.as_root(), ExecutionId::from_uuid);
            existing.insert(id, (execution, row.get(2)?));
        }
        Ok(existing)
    }

    /// What exists under idempotency keys.
    async fn existing_under_keys(
        &self,
        executions: &[NewExecution],
    ) -> Result<HashMap<(FunctionName, IdempotencyKey), Existing>, Fault> {
        let keyed = executions.iter().filter_map(|execution| {
            let key = execution.idempotency_key.as_ref()?;
            Some((execution.root.function.as_str(), key.as_str()))
        });
        let (functions, keys): (Vec<&str>, Vec<&str>) = keyed.unzip();
        let mut existing = HashMap::new();
        if keys.is_empty() {
            return Ok(existing);
        }
        for row in self.query(Sql::FindKeys, &[&functions, &keys]).await? {
            let row = Reading::new(&row, "idempotency_keys");
            let (function, key): (&str, &str) = (row.get(0)?, row.get(1)?);
            let function = FunctionName::new(function).map_err(|error| row.bad(error))?;
            let key = IdempotencyKey::new(key).map_err(|error| row.bad(error))?;
            let execution = ExecutionId::from_uuid(row.get(2)?);
            existing.insert((function, key), (execution, row.get(3)?));
        }
        Ok(existing)
    }
}

/// Whether all its instants are spans from the present: then the rule for one instant holds for each other, moved by as much.
fn is_relative(execution: &NewExecution) -> bool {
    let instants = [Some(execution.root.due), execution.root.deadline];
    instants
        .iter()
        .flatten()
        .all(|when| matches!(when, When::Now | When::After(_)))
}

fn answer((execution, text): &Existing, input: &Payload) -> Dispatched {
    Dispatched::Existing {
        execution: *execution,
        other_input: text != input.as_str(),
    }
}

fn ids(rows: impl Iterator<Item = tokio_postgres::Row>) -> Result<HashSet<TaskId>, Fault> {
    rows.map(|row| Reading::new(&row, "task_rows").task_id(0))
        .collect()
}
