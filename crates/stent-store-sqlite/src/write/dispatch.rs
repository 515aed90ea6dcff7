//! Making executions.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    ExecutionId, FunctionName, Hint, IdempotencyKey, NewExecution, Payload, Task, TaskId,
    Timestamp,
    store::{DispatchAnswer, DispatchRequest, Dispatched},
};

use super::tasks::{ROOTS_AT_ONCE, read};
use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

impl Session<'_> {
    /// Makes executions, in order; what exists under an id or a key is answered instead.
    pub(crate) fn dispatch(&mut self, request: DispatchRequest) -> Result<DispatchAnswer, Fault> {
        let now = self.now();
        let mut executions = Vec::with_capacity(request.executions.len());
        let mut together = Vec::with_capacity(ROOTS_AT_ONCE);
        for execution in request.executions {
            let is_bare = execution.idempotency_key.is_none() && execution.tags.is_empty();
            if !is_bare {
                self.make_each(&mut together, &mut executions)?;
                executions.push(self.dispatch_labelled(execution, now)?);
                continue;
            }
            let (task, input) = execution.root.into_root(now);
            if !self.fits_among_roots(&task, &input)? {
                self.make_each(&mut together, &mut executions)?;
                executions.push(self.make(&task, &input)?.1);
                continue;
            }
            together.push((task, input));
            if together.len() == ROOTS_AT_ONCE {
                self.make_together(&mut together, &mut executions)?;
            }
        }
        self.make_each(&mut together, &mut executions)?;
        Ok(DispatchAnswer { executions })
    }

    /// Makes executions one by one.
    fn make_each(
        &mut self,
        roots: &mut Vec<(Task, Payload)>,
        executions: &mut Vec<Dispatched>,
    ) -> Result<(), Fault> {
        for (task, input) in roots.drain(..) {
            executions.push(self.make(&task, &input)?.1);
        }
        Ok(())
    }

    /// Makes executions by one statement.
    fn make_together(
        &mut self,
        roots: &mut Vec<(Task, Payload)>,
        executions: &mut Vec<Dispatched>,
    ) -> Result<(), Fault> {
        let made = self.insert_roots(roots)?;
        for ((task, input), is_made) in roots.drain(..).zip(made) {
            executions.push(if is_made {
                self.hint(|| Hint::due(&task));
                Dispatched::Created(task.execution)
            } else {
                self.known_under(task.id, &input)?
            });
        }
        Ok(())
    }

    /// Makes one execution; its row, if it was made.
    fn make(&mut self, task: &Task, input: &Payload) -> Result<(Option<i64>, Dispatched), Fault> {
        match self.insert_root(task, input)? {
            Some(seq) => {
                self.hint(|| Hint::due(task));
                Ok((Some(seq), Dispatched::Created(task.execution)))
            }
            None => Ok((None, self.known_under(task.id, input)?)),
        }
    }

    /// What exists under an id.
    fn known_under(&mut self, id: TaskId, input: &Payload) -> Result<Dispatched, Fault> {
        match self.find(id)? {
            Some(existing) => self.existing(&existing, input),
            None => Err(Fault::Row {
                table: "tasks",
                row: 0,
                what: format!("the id {id} is taken, but cannot be found"),
            }),
        }
    }

    /// Makes one execution with a key or tags.
    fn dispatch_labelled(
        &mut self,
        execution: NewExecution,
        now: Timestamp,
    ) -> Result<Dispatched, Fault> {
        let NewExecution {
            root,
            idempotency_key,
            tags,
        } = execution;
        // Looked for before anything is written, so that nothing has to be undone.
        if let Some(key) = &idempotency_key
            && let Some(existing) = self.find_by_key(&root.function, key)?
        {
            return self.existing(&existing, &root.input);
        }
        let (task, input) = root.into_root(now);
        let (seq, dispatched) = self.make(&task, &input)?;
        let Some(seq) = seq else {
            return Ok(dispatched);
        };
        if let Some(key) = &idempotency_key {
            self.execute(
                Sql::InsertIdempotencyKey,
                params![seq, task.function.as_str(), key.as_str()],
            )?;
        }
        for tag in &tags {
            self.execute(Sql::InsertTag, params![seq, tag.as_str()])?;
        }
        Ok(dispatched)
    }

    fn existing(&mut self, existing: &Stored, input: &Payload) -> Result<Dispatched, Fault> {
        let execution: ExecutionId = existing.task.execution;
        let other_input = self.input(existing.seq)? != *input;
        Ok(Dispatched::Existing {
            execution,
            other_input,
        })
    }

    fn find_by_key(
        &mut self,
        function: &FunctionName,
        key: &IdempotencyKey,
    ) -> Result<Option<Stored>, Fault> {
        let lanes = &self.lanes;
        let statement = self.sql.get(Sql::FindByIdempotencyKey)?;
        statement
            .query_row(params![function.as_str(), key.as_str()], |row| {
                Ok(read(row, lanes))
            })
            .optional()?
            .transpose()
    }
}
