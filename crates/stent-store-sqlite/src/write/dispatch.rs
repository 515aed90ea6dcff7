//! Making executions.

use rusqlite::{OptionalExtension as _, params};
use stent_core::{
    ExecutionId, FunctionName, Hint, IdempotencyKey, NewExecution, Payload, Timestamp,
    store::{DispatchAnswer, DispatchRequest, Dispatched},
};

use super::tasks::read;
use crate::{error::Fault, rows::Stored, session::Session, statements::Sql};

impl Session<'_> {
    /// Makes executions; what exists under an id or a key is answered instead.
    pub(crate) fn dispatch(&mut self, request: DispatchRequest) -> Result<DispatchAnswer, Fault> {
        let now = self.now();
        let mut executions = Vec::with_capacity(request.executions.len());
        for execution in request.executions {
            executions.push(self.dispatch_one(execution, now)?);
        }
        Ok(DispatchAnswer { executions })
    }

    fn dispatch_one(
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
        let Some(seq) = self.insert_root(&task, &input)? else {
            return match self.find(task.id)? {
                Some(existing) => self.existing(&existing, &input),
                None => Err(Fault::Row {
                    table: "tasks",
                    row: 0,
                    what: format!("the id {} is taken, but cannot be found", task.id),
                }),
            };
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
        self.hint(|| Hint::due(&task));
        Ok(Dispatched::Created(task.execution))
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
